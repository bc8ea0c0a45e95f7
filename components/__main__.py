"""Started by Pulumi's engine: see PulumiPlugin.yaml."""

from sklearn_on_lambda.hosting import main

main()
