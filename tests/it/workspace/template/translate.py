"""Prints what AWS's own translator makes of a SAM template: what CloudFormation is given. It reaches no network."""

import json
import sys

import yaml
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """The template names no managed policy, so nobody has to be asked for one."""

    def load(self):
        return {}


with open(sys.argv[1], encoding="utf-8") as file:
    template = yaml.safe_load(file)
for resource in template["Resources"].values():
    # A deployment uploads the zips and puts their addresses here.
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
json.dump(transform(template, {}, NoManagedPolicies()), sys.stdout, indent=1)
