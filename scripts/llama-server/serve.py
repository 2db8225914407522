"""llama.cpp's own server on a free port of this machine: serve.py MODEL.gguf TEMPLATE.jinja [API_KEY]

Prints its address and serves until standard input ends, so that it never outlives who started it.
"""

import os
import sys
from pathlib import Path

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = ["demo"]
params.chat_template = Path(sys.argv[2]).read_text()
params.use_jinja = True
params.n_ctx = 4096
params.n_parallel = 1
params.warmup = False
params.hostnames = ["127.0.0.1"]
params.port = 0
if len(sys.argv) > 3:
    params.api_keys = [sys.argv[3]]
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
