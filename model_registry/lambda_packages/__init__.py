"""A model's packages as Lambda gets them: wheels, the files chosen from them, their size, and whether they load.

Publishing asks before a version is written, a deployment builds its layer of them (`infra.layer`).
"""
