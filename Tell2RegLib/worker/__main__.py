"""`python -m Tell2RegLib.worker`: the worker's process; docs/worker-protocol.md says what it understands."""

from Tell2RegLib.worker.serve import serve

if __name__ == "__main__":
    serve()
