from aws_check.cli import main

main()
