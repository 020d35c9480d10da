"""Deploys a CloudFormation template to a server on loopback, and prints the stack's outputs as JSON.

deploy.py ENDPOINT TEMPLATE
"""

import json
import sys

import boto3
from cfnlint.decode import cfn_yaml

endpoint, template = sys.argv[1:]


def client(service):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


cloudformation = client("cloudformation")
with open(template, encoding="utf-8") as file:
    cloudformation.create_stack(
        StackName="qtrail", TemplateBody=file.read(), Capabilities=["CAPABILITY_IAM"]
    )
cloudformation.get_waiter("stack_create_complete").wait(StackName="qtrail")
stack = cloudformation.describe_stacks(StackName="qtrail")["Stacks"][0]
outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

# What moto's CloudFormation leaves out, from the template.
with open(template, encoding="utf-8") as file:
    resources = cfn_yaml.loads(file.read())["Resources"]
subscription = resources["Subscription"]["Properties"]
client("sns").subscribe(
    TopicArn=outputs["TopicArn"],
    Protocol=subscription["Protocol"],
    Endpoint=outputs["QueueArn"],
    Attributes={"RawMessageDelivery": str(subscription["RawMessageDelivery"]).lower()},
)
notifications = resources["Bucket"]["Properties"]["NotificationConfiguration"]
client("s3").put_bucket_notification_configuration(
    Bucket=outputs["BucketName"],
    NotificationConfiguration={
        "TopicConfigurations": [
            {
                "TopicArn": outputs["TopicArn"],
                "Events": [topic["Event"]],
                "Filter": {"Key": {"FilterRules": topic["Filter"]["S3Key"]["Rules"]}},
            }
            for topic in notifications["TopicConfigurations"]
        ]
    },
)
print(json.dumps(outputs))
