"""Packaging: `ops/` and `recipes/` stand at the top of the repository and are installed as sfm_ms.ops and sfm_ms.recipes."""

from pathlib import Path

from setuptools import Extension, find_packages, setup

packages = {"sfm_ms.ops", "sfm_ms.recipes", *find_packages(include=["sfm_ms", "sfm_ms.*"])}
packages |= {f"sfm_ms.ops.{name}" for name in find_packages("ops")}

kernels = Extension(
    "sfm_ms.ops.cpu.kernels",  # a shared library that MindSpore loads: no module, so its folder is no package
    sources=sorted(map(str, Path("ops").rglob("*.cc"))),
    depends=sorted(map(str, Path("ops").rglob("cpu/*.h"))),
    extra_compile_args=["-std=c++17", "-O3", "-ffp-contract=fast", "-fopenmp"],
    extra_link_args=["-fopenmp"],
    optional=True,  # without a compiler the operators run in MindSpore's primitives
)

akg = ["decorator", "sympy"]  # what the AKG compiler bundled with MindSpore imports
# Later datasets need a newer PyArrow than MindFormers, later OpenCVs NumPy 2: pip would try them all.
mindformers = ["mindformers==1.9.0", "datasets==4.0.0", "opencv-python-headless<4.12"]

setup(
    name="sfm-ms",
    version="0.1.0",
    description="State-Flow Machines on MindSpore: a program's state in slots, updated with the delta rule",
    license="MIT",
    python_requires=">=3.11,<3.12",
    packages=sorted(packages),
    package_dir={"sfm_ms.ops": "ops", "sfm_ms.recipes": "recipes"},
    package_data={
        "sfm_ms": ["py.typed", "trace_page.html"],
        "sfm_ms.mindformers_trainer": ["*.yaml"],
        "sfm_ms.ops": ["**/*.md", "**/*.h", "**/*.cc", "**/*.cpp", "**/*.sh"],
        "sfm_ms.recipes": ["**/*.yaml"],
    },
    install_requires=[
        "mindspore==2.9.0",
        "numpy<2",  # the MindSpore wheel is built against NumPy 1
        "pandas",
        "tqdm",
        "PyYAML",
        "safetensors",
        "tokenizers",
        "matplotlib",
    ],
    extras_require={
        "akg": akg,
        "mindformers": mindformers,
        "test": ["pytest", "hypothesis", "pytest-xdist", "ruff", "selenium", *akg, *mindformers],
    },
    ext_modules=[kernels],
    entry_points={"console_scripts": ["sfm=sfm_ms.cli:main"]},
)
