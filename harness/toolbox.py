from pathlib import Path
import os
class Toolbox:
    envoy = Path("/opt/own/envoy/lib/python3.11/site-packages/envoy/_bin/envoy")
    bootstrap = Path("/root/go/pkg/mod/istio.io/istio@v0.0.0-20260827124520-eed52ebb66ad/tools/packaging/common/envoy_bootstrap.json")
    def path(self, name): return Path("/opt/own/bin")/name
    def variables(self):
        return {"PATH": "/opt/own/bin:"+os.environ["PATH"], "HOME": os.environ["HOME"]}
