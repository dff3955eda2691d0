# The commands for every day are `make synth` and `make test`; `make help` lists the others.

STAMPS := .tools/stamps

# Virtual environments do not survive a move of the checkout.
$(shell [ ! -f .tools/root ] || [ "$$(cat .tools/root)" = "$$(pwd)" ] || rm -rf .tools .venv)

# The machine's own Node.js decides whether one from pip is needed: notice a change.
NODE := $(STAMPS)/node-$(shell node --version 2>/dev/null)

ACTIVATE := . tools/activate
PYTHON := .venv/bin/python

.PHONY: help synth mesh test lab lab-shell rehearse rehearse-faults rehearse-scripts bench format schema snapshots policy vulnerabilities licences move-to-cdktn compare-cdktn clean uninstall

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

synth: $(STAMPS)/packages $(STAMPS)/cdktf ## synthesize the environment of mesh.yaml into cdktf.out/
	@$(PYTHON) -m config
	@# cdktf's log goes to a file: it misses a terraform that synthesis does not need.
	@$(ACTIVATE); [ -t 1 ] || export CI=1; CDKTF_LOG_FILE_DIRECTORY=.tools cdktf synth

mesh: $(STAMPS)/packages ## install the operator's command, `mesh`; `. tools/activate` puts it on the PATH
	@tools/bin/mesh --help

test: $(STAMPS)/dev-packages $(NODE) $(STAMPS)/cdktf $(STAMPS)/schemas $(STAMPS)/supply ## run every check
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(ACTIVATE); $(PYTHON) -m pytest

lab: $(STAMPS)/lab-packages $(NODE) ## prove the mesh on this machine (Linux); REGIONS=3 for as many regions
	@$(ACTIVATE); exec $(PYTHON) -m tests.lab $(if $(REGIONS),--regions $(REGIONS))

lab-shell: $(STAMPS)/lab-packages $(NODE) ## start the lab and look around in it
	@$(ACTIVATE); exec $(PYTHON) -m tests.lab --shell $(if $(REGIONS),--regions $(REGIONS))

rehearse: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## rehearse a whole deploy without a cloud (Linux); CONTROL_PLANE=fleet that of an example, SHORT=1 without a region that comes and goes, LAB=1 with requests
	@$(ACTIVATE); exec $(PYTHON) -m tests.rehearsal $(if $(CONTROL_PLANE),--control-plane $(CONTROL_PLANE)) $(if $(SHORT),--short) $(if $(REGIONS),--regions $(REGIONS)) $(if $(LAB),--lab)

rehearse-faults: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## the same with everything going wrong once; FAULTS=small for some, ONLY=PATTERN for those of a name, CONTROL_PLANE=fleet as above
	@$(ACTIVATE); exec $(PYTHON) -m tests.rehearsal --faults $(or $(FAULTS),all) $(if $(CONTROL_PLANE),--control-plane $(CONTROL_PLANE)) $(if $(ONLY),--only '$(ONLY)')

rehearse-scripts: $(STAMPS)/lab-packages $(NODE) ## scripts and manifests without terraform; FAULTS=all to fail every call once
	@$(ACTIVATE); exec $(PYTHON) -m tests.rehearsal --without-terraform $(if $(FAULTS),--faults $(FAULTS))

bench: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## measure synthesis, and a deploy at 2, 4 and 8 regions (40 minutes)
	@$(ACTIVATE); $(PYTHON) -m tests.tools.bench; status=$$?; $(PYTHON) -m tests.rehearsal.bench && exit $$status

format: $(STAMPS)/dev-packages ## put the Python code in order
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

schema: $(STAMPS)/packages ## write mesh.schema.json and docs/configuration.md anew
	@$(PYTHON) -m config.schema
	@$(PYTHON) -m config.reference

snapshots: $(STAMPS)/dev-packages $(NODE) ## accept what is synthesized now as right
	@$(ACTIVATE); $(PYTHON) -m pytest tests/synthesis/test_snapshots.py --snapshot-update

policy: $(STAMPS)/packages $(NODE) $(STAMPS)/checkov ## hold the hardened example against the policy, as it is and with each mutation; CONFIG=FILE for a file of yours
	@$(ACTIVATE); $(PYTHON) -m policy $(or $(CONFIG),--mutations $(if $(DOCS),--docs))

vulnerabilities: $(STAMPS)/packages $(STAMPS)/supply $(NODE) ## ask for known vulnerabilities of everything that is locked
	@$(ACTIVATE); $(PYTHON) -m tools.supply.vulnerabilities

licences: $(STAMPS)/dev-packages $(STAMPS)/lab-packages $(STAMPS)/cdktf $(STAMPS)/schemas $(STAMPS)/checkov $(STAMPS)/supply ## write docs/licences.md anew
	@$(PYTHON) -m tools.supply.licences

move-to-cdktn: $(STAMPS)/pipenv $(NODE) ## move this checkout to CDK Terrain, the library's successor: docs/cdktn.md
	@$(ACTIVATE); .tools/pipenv/bin/python tools/move_to_cdktn.py

compare-cdktn: $(STAMPS)/dev-packages $(NODE) $(STAMPS)/cdktf ## move a copy to CDK Terrain, and compare the JSON of all stacks
	@$(PYTHON) -m tests.tools.compare_cdktn

clean: ## take away what make installed and made; terraform's state stays
	rm -rf .lab .rehearsal .tools .venv node_modules tests/synthesis/schemas/node_modules cdktf.out

uninstall: ## list and remove what is outside the checkout; YES=1 without a question
	@python3 -I tools/uninstall.py $(if $(YES),--yes)

$(STAMPS)/pipenv: tools/pipenv.txt
$(STAMPS)/packages: Pipfile.lock $(STAMPS)/pipenv
$(STAMPS)/dev-packages: $(STAMPS)/packages
$(STAMPS)/lab-packages: $(STAMPS)/packages tools/go.txt
$(STAMPS)/checkov: tools/checkov.txt
$(STAMPS)/supply: tools/supply.txt
$(NODE): package.json tools/node-20.txt tools/node-22.txt
$(STAMPS)/cdktf: package-lock.json $(NODE)
$(STAMPS)/schemas: tests/synthesis/schemas/package-lock.json $(NODE)

$(STAMPS)/%:
	@tools/setup $*
	@touch $@
