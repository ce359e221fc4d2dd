"""The environment variables of the AWS SDKs that say where the metadata service is.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-client.html
"""

ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
DISABLED_VARIABLE = "AWS_EC2_METADATA_DISABLED"
