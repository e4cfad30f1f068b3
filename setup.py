"""The packages of the wheel: everything but the training of the demo's networks, and the project's data files.

All else is in pyproject.toml; setuptools cannot find packages there and take one more from another folder.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["Tell2RegLib", "Tell2RegLib.*"], exclude=["Tell2RegLib.training*"]),
        "Tell2RegLib.Resources",
    ]
)
