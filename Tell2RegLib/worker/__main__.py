"""`python -m Tell2RegLib.worker`: the worker process; docs/worker-protocol.md describes its protocol."""

from Tell2RegLib.support.threads import wait_passively
from Tell2RegLib.worker.serve import serve

if __name__ == "__main__":
    wait_passively()
    serve()
