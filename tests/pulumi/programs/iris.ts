import * as pulumi from "@pulumi/pulumi";
import * as automation from "@pulumi/pulumi/automation";

/** What `pulumi package add` makes of the component's schema, for what this program uses. */
class SklearnModel extends pulumi.ComponentResource {
    declare public readonly invokeUrl: pulumi.Output<string>;
    declare public readonly modelVersion: pulumi.Output<number>;

    constructor(name: string, args: { registryBucket: string; tag?: string; memory?: number }) {
        super("sklearn-on-lambda:index:SklearnModel", name, { ...args, invokeUrl: undefined, modelVersion: undefined }, {}, true);
    }
}

async function main(registryBucket: string, command: string): Promise<void> {
    const stack = await automation.LocalWorkspace.createOrSelectStack(
        {
            stackName: "dev",
            projectName: "of-a-team-in-typescript",
            program: async () => {
                const iris = new SklearnModel("iris-ts", { registryBucket, tag: "dev", memory: 512 });
                return { url: iris.invokeUrl, version: iris.modelVersion };
            },
        },
        { workDir: "." }, // whose Pulumi.yaml says where the component is
    );
    if (command === "destroy") {
        await stack.destroy();
        return;
    }
    const done = await stack.up({ onOutput: (said) => console.error(said) });
    console.log(JSON.stringify({ url: done.outputs.url.value, version: done.outputs.version.value }));
}

main(process.argv[2], process.argv[3]).catch((error) => {
    console.error(String(error));
    process.exit(1);
});
