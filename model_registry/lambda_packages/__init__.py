"""What Lambda gets of a model's packages: wheels for its platform, which of their files, how large, and do they load.

Publishing asks before a version is written, a deployment builds its layer of them (`infra.layer`).
"""
