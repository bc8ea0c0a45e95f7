import pytest

from tests.local.made import ALIAS, FUNCTION, PROVISIONED, Made, make_function


def test_an_alias_has_provisioned_concurrency_until_it_is_deleted(made: Made) -> None:
    """The local AWS notes the number; a second deletion is no error."""
    lambda_ = made.aws.client("lambda")
    name = make_function(made)["name"]
    made.make(ALIAS, name="live", functionName=name, functionVersion="1")
    made.make(PROVISIONED, functionName=name, qualifier="live", provisionedConcurrentExecutions=1)
    made.update(PROVISIONED, provisionedConcurrentExecutions=2)
    read = lambda_.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    assert read["RequestedProvisionedConcurrentExecutions"] == 2
    assert made.ids[PROVISIONED] == f"{name},live"
    made.remove(PROVISIONED)
    with pytest.raises(lambda_.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        lambda_.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")


def test_a_function_enters_a_vpc_and_leaves_it_and_takes_a_key(made: Made) -> None:
    lambda_ = made.aws.client("lambda")
    name = make_function(made)["name"]
    key = made.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    network = {"subnetIds": ["subnet-00000001"], "securityGroupIds": ["sg-00000001"]}
    made.update(FUNCTION, vpcConfig=network, kmsKeyArn=key)
    read = lambda_.get_function_configuration(FunctionName=name)
    assert read["VpcConfig"]["SubnetIds"] == network["subnetIds"]
    assert read["KMSKeyArn"] == key
    del made.inputs[FUNCTION]["vpcConfig"], made.inputs[FUNCTION]["kmsKeyArn"]
    made.update(FUNCTION)
    read = lambda_.get_function_configuration(FunctionName=name)
    assert not read["VpcConfig"]["SubnetIds"]
    assert not read.get("KMSKeyArn")
