# The commands for every day are `make synth` and `make test`; `make help` lists the others.

STAMPS := .tools/stamps
PYTHON := .venv/bin/python

# Virtual environments do not survive a move of the checkout.
HERE := $(shell pwd -P)
MOVED := $(filter-out x$(HERE),x$(shell cat .tools/root 2>/dev/null || pwd -P))

# The machine's own Node.js decides whether one from pip is needed: notice a change.
NODE := $(STAMPS)/node-$(shell . tools/environment.sh; leave_checkout "$$(pwd -P)"; node --version 2>/dev/null)

# An environment's targets take CONFIG=FILE, which the others reject.
WITH_CONFIG := help synth lab lab-shell rehearse rehearse-shell rehearse-faults rehearse-scripts policy
ifeq ($(origin CONFIG),command line)
ifneq ($(filter-out $(WITH_CONFIG),$(MAKECMDGOALS)),)
$(error $(filter-out $(WITH_CONFIG),$(MAKECMDGOALS)) reads no configuration: leave CONFIG out)
endif
ifdef CONTROL_PLANE
$(error CONTROL_PLANE and CONFIG exclude each other: leave one of them out)
endif
export MESH_CONFIG := $(CONFIG)
else
CONFIG :=
endif

# Recipes run without the caller's settings, and with the installed tools on the PATH.
SHELL := tools/sh

.PHONY: help synth mesh test check lab lab-shell rehearse rehearse-shell rehearse-faults rehearse-scripts bench format schema snapshots docs pictures acceptance policy vulnerabilities licences move-to-cdktn clean uninstall moved

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { n = split($$2, lines, "; "); printf "  make %-17s %s\n", $$1, lines[1]; for (i = 2; i <= n; i++) printf "%26s%s\n", "", lines[i] }' Makefile

# cdktf's log goes to a file: it misses a terraform that synthesis does not need.
synth: $(STAMPS)/packages $(STAMPS)/cdktf ## synthesize mesh.yaml to cdktf.out/; CONFIG=FILE: synthesize another file
	@$(PYTHON) -m tools.synthesis check
	@[ -t 1 ] || export CI=1; CDKTF_LOG_FILE_DIRECTORY=.tools cdktf synth
	@$(PYTHON) -m tools.synthesis summary

mesh: $(STAMPS)/mesh-packages ## install the mesh CLI; `. tools/activate` adds it to the PATH
	@mesh --help

test: $(STAMPS)/dev-packages $(NODE) $(STAMPS)/cdktf $(STAMPS)/schemas $(STAMPS)/supply ## run lint, type and import checks, and the tests that need no other tools (9 minutes)
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) -m tools.lint_imports
	@$(PYTHON) -m pytest -n auto --maxprocesses 4

check: $(STAMPS)/dev-packages $(STAMPS)/lab-packages $(STAMPS)/docs $(NODE) $(STAMPS)/cdktf ## run every check that this machine can run: tests, providers, policy, lab, rehearsals; SMALL=1: without the longest rehearsals
	@SMALL=$(SMALL) tools/check

lab: $(STAMPS)/lab-packages $(NODE) ## run a mesh of real control planes and proxies on this machine (Linux), and test failover; REGIONS=3: with three regions; SERVICES=1: test the keys of services instead; EXERCISES=1: do the exercises of docs/exercises.md instead; BUDGET=1: measure the failover budget instead (docs/failover.md)
	@exec $(PYTHON) -m tests.lab $(if $(REGIONS),--regions $(REGIONS)) $(if $(SERVICES),--services) $(if $(EXERCISES),--exercises) $(if $(BUDGET),--budget $(BUDGET:1=all)) $(if $(RUNS),--runs $(RUNS)) $(if $(ONLY),--only '$(ONLY)')

lab-shell: $(STAMPS)/lab-packages $(NODE) ## start the lab, and open a shell in it
	@exec $(PYTHON) -m tests.lab --shell $(if $(REGIONS),--regions $(REGIONS))

rehearse: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## deploy to an emulated Google Cloud (Linux); CONTROL_PLANE=fleet: the example of another control plane mode; SHORT=1: without adding and removing a region; LAB=1: with requests; DAY2=1: with configuration changes (DAY2=small: with eight; with SHORT=1: between the other steps); UPGRADE=1: with an upgrade from an earlier commit; MIGRATION=1: with a migration to multi-cluster Gateway and back; ACCEPTANCE=1: with make acceptance
	@exec $(PYTHON) -m tests.rehearsal $(if $(CONTROL_PLANE),--control-plane $(CONTROL_PLANE)) $(if $(SHORT),--short) $(if $(REGIONS),--regions $(REGIONS)) $(if $(LAB),--lab) $(if $(DAY2),--day2 $(if $(filter small,$(DAY2)),small,all)) $(if $(ONLY),--only '$(ONLY)') $(if $(UPGRADE),--upgrade) $(if $(MIGRATION),--migration) $(if $(ACCEPTANCE),--acceptance)

rehearse-shell: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## deploy to an emulated Google Cloud, and open a shell there; CONTROL_PLANE=fleet: the example of another control plane mode
	@exec $(PYTHON) -m tests.rehearsal --shell $(if $(CONTROL_PLANE),--control-plane $(CONTROL_PLANE)) $(if $(REGIONS),--regions $(REGIONS))

rehearse-faults: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## rehearse a deploy in which every call fails once; FAULTS=small: fewer faults; ONLY=PATTERN: faults of these names; SEED=TEXT: other random moments; CONTROL_PLANE=fleet: the example of another control plane mode
	@exec $(PYTHON) -m tests.rehearsal --faults $(or $(FAULTS),all) $(if $(CONTROL_PLANE),--control-plane $(CONTROL_PLANE)) $(if $(ONLY),--only '$(ONLY)') $(if $(SEED),--seed '$(SEED)')

rehearse-scripts: $(STAMPS)/lab-packages $(NODE) ## rehearse scripts and manifests without terraform; FAULTS=all: fail every call once
	@exec $(PYTHON) -m tests.rehearsal --without-terraform $(if $(FAULTS),--faults $(FAULTS))

# No cache: Sphinx repeats no warning about a page that has not changed.
docs: $(STAMPS)/docs ## build the documentation site in site/ (dead links, unknown anchors and pages outside the navigation are errors)
	@rm -rf site
	@.tools/docs/bin/python -m sphinx -c tools/docs -d .tools/doctrees --fresh-env --quiet --keep-going --fail-on-warning . site
	@echo 'documentation: site/index.html'

pictures: $(STAMPS)/mesh-packages $(NODE) $(STAMPS)/cdktf ## update the pictures in docs/images/ with `mesh picture`
	@mesh picture --format svg --output docs/images/topology.svg
	@mesh picture --format png --output docs/images/topology.png
	@mesh picture --config docs/images/three-regions.yaml --format svg --output docs/images/three-regions.svg
	@mesh picture --config docs/images/six-regions.yaml --format svg --output docs/images/six-regions.svg

acceptance: $(STAMPS)/mesh-packages $(NODE) $(STAMPS)/cdktf ## deploy a small environment to the real project PROJECT=ID, check it, and destroy it (docs/acceptance.md); YES=1: without a confirmation prompt; ZONES='A B': in other zones
	@exec $(PYTHON) -m tools.acceptance --project '$(or $(PROJECT),$(error PROJECT is not set: make acceptance PROJECT=ID, with the id of a Google Cloud project))' $(if $(ZONES),--zones '$(ZONES)') $(if $(YES),--yes)

bench: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## measure a synthesis, and a deploy with 2, 4 and 8 regions (40 minutes)
	@$(PYTHON) -m tests.tools.bench; status=$$?; $(PYTHON) -m tests.rehearsal.bench && exit $$status

format: $(STAMPS)/dev-packages ## format the Python code
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

schema: $(STAMPS)/mesh-packages ## generate mesh.schema.json, docs/configuration.md, docs/cli.md and a table of docs/verification-status.md
	@$(PYTHON) -m config.schema
	@$(PYTHON) -m config.reference
	@$(PYTHON) -m tools.docs.cli_page
	@$(PYTHON) -m tests.site.blocks

snapshots: $(STAMPS)/dev-packages $(NODE) ## update the snapshots to the current synthesis
	@$(PYTHON) -m pytest tests/synthesis/test_snapshots.py --snapshot-update

policy: $(STAMPS)/packages $(NODE) $(STAMPS)/checkov ## check all examples against the policy, as they are and with each mutation; CONFIG=FILE: check another file
	@$(PYTHON) -m policy $(or $(CONFIG),$(if $(DOCS),--docs))

vulnerabilities: $(STAMPS)/mesh-packages $(STAMPS)/supply $(NODE) ## look up known vulnerabilities of all locked packages
	@$(PYTHON) -m tools.supply.vulnerabilities

licences: $(STAMPS)/dev-packages $(STAMPS)/lab-packages $(STAMPS)/cdktf $(STAMPS)/schemas $(STAMPS)/checkov $(STAMPS)/supply $(STAMPS)/docs ## generate docs/licences.md
	@$(PYTHON) -m tools.supply.licences

move-to-cdktn: $(STAMPS)/pipenv $(NODE) ## move this checkout to CDK Terrain, the successor of CDK for Terraform (docs/cdktn.md)
	@.tools/pipenv/bin/python tools/move_to_cdktn.py

clean: ## remove everything that make installed or wrote in the checkout, except state files
	rm -rf .lab .rehearsal .tools .venv node_modules tests/synthesis/schemas/node_modules cdktf.out site

uninstall: ## list and remove the folders of this project outside the checkout; YES=1: without a confirmation prompt
	@python3 -I tools/uninstall.py $(if $(YES),--yes)

moved:
	@rm -rf .tools .venv

$(STAMPS)/pipenv: tools/pipenv.txt
$(STAMPS)/packages: Pipfile.lock $(STAMPS)/pipenv
$(STAMPS)/mesh-packages: $(STAMPS)/packages
$(STAMPS)/dev-packages: $(STAMPS)/mesh-packages
$(STAMPS)/lab-packages: $(STAMPS)/mesh-packages tools/go.txt
$(STAMPS)/checkov: tools/checkov.txt
$(STAMPS)/supply: tools/supply.txt
$(STAMPS)/docs: tools/docs.txt
$(NODE): package.json tools/node-20.txt tools/node-22.txt
$(STAMPS)/cdktf: package-lock.json $(NODE)
$(STAMPS)/schemas: tests/synthesis/schemas/package-lock.json $(NODE)

$(STAMPS)/%: $(if $(MOVED),moved)
	@tools/setup $*
	@touch $@
