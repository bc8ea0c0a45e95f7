import * as pulumi from "@pulumi/pulumi";

/** What `pulumi package add` makes of the component's schema, for what this program uses. */
class SklearnModel extends pulumi.ComponentResource {
    declare public readonly invokeUrl: pulumi.Output<string>;
    declare public readonly modelVersion: pulumi.Output<number>;

    constructor(name: string, args: { registryBucket: string; tag?: string; memory?: number }) {
        super("sklearn-on-lambda:index:SklearnModel", name, { ...args, invokeUrl: undefined, modelVersion: undefined }, {}, true);
    }
}

const registryBucket = new pulumi.Config().require("registryBucket");
const iris = new SklearnModel("iris-ts", { registryBucket, tag: "dev", memory: 512 });

export const url = iris.invokeUrl;
export const version = iris.modelVersion;
