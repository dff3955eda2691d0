# The commands for every day are `make synth` and `make test`; `make help` lists the others.

STAMPS := .tools/stamps
PYTHON := .venv/bin/python

# Virtual environments do not survive a move of the checkout.
HERE := $(shell pwd -P)
MOVED := $(filter-out x$(HERE),x$(shell cat .tools/root 2>/dev/null || pwd -P))

# The machine's own Node.js decides whether one from pip is needed: notice a change.
NODE := $(STAMPS)/node-$(shell . tools/environment.sh; leave_checkout "$$(pwd -P)"; node --version 2>/dev/null)

# An environment's targets take CONFIG=FILE, which the others refuse.
WITH_CONFIG := help synth lab lab-shell rehearse rehearse-faults rehearse-scripts policy
ifeq ($(origin CONFIG),command line)
ifneq ($(filter-out $(WITH_CONFIG),$(MAKECMDGOALS)),)
$(error $(filter-out $(WITH_CONFIG),$(MAKECMDGOALS)): no configuration is read, leave CONFIG out)
endif
ifdef CONTROL_PLANE
$(error CONTROL_PLANE stands for an example, CONFIG for a file: leave one of them out)
endif
export MESH_CONFIG := $(CONFIG)
else
CONFIG :=
endif

# Recipes run without the caller's settings, and with the installed tools on the PATH.
SHELL := tools/sh

.PHONY: help synth mesh test check lab lab-shell rehearse rehearse-faults rehearse-scripts bench format schema snapshots docs pictures acceptance policy vulnerabilities licences move-to-cdktn clean uninstall moved

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

# cdktf's log goes to a file: it misses a terraform that synthesis does not need.
synth: $(STAMPS)/packages $(STAMPS)/cdktf ## synthesize mesh.yaml, or CONFIG=FILE, into cdktf.out/
	@$(PYTHON) -m tools.synthesis check
	@[ -t 1 ] || export CI=1; CDKTF_LOG_FILE_DIRECTORY=.tools cdktf synth
	@$(PYTHON) -m tools.synthesis summary

mesh: $(STAMPS)/mesh-packages ## install the mesh CLI; `. tools/activate` puts it on the PATH
	@mesh --help

test: $(STAMPS)/dev-packages $(NODE) $(STAMPS)/cdktf $(STAMPS)/schemas $(STAMPS)/supply ## lint, types, imports, and the tests that need nothing else
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) -m tools.lint_imports
	@$(PYTHON) -m pytest -n auto --maxprocesses 4

check: $(STAMPS)/dev-packages $(STAMPS)/lab-packages $(STAMPS)/docs $(NODE) $(STAMPS)/cdktf ## everything that this machine can: tests, providers, policy, lab, rehearsals; DAY2=small for eight changes of the file instead of all
	@DAY2=$(DAY2) tools/check

lab: $(STAMPS)/lab-packages $(NODE) ## prove the mesh on this machine (Linux); REGIONS=3 for as many regions
	@exec $(PYTHON) -m tests.lab $(if $(REGIONS),--regions $(REGIONS))

lab-shell: $(STAMPS)/lab-packages $(NODE) ## start the lab and look around in it
	@exec $(PYTHON) -m tests.lab --shell $(if $(REGIONS),--regions $(REGIONS))

rehearse: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## rehearse a whole deploy without a cloud (Linux); CONTROL_PLANE=fleet that of an example, SHORT=1 without a region that comes and goes, LAB=1 with requests, DAY2=1 of changes of the file (DAY2=small of some), UPGRADE=1 of what an earlier commit has deployed, ACCEPTANCE=1 of `make acceptance`
	@exec $(PYTHON) -m tests.rehearsal $(if $(CONTROL_PLANE),--control-plane $(CONTROL_PLANE)) $(if $(SHORT),--short) $(if $(REGIONS),--regions $(REGIONS)) $(if $(LAB),--lab) $(if $(DAY2),--day2 $(if $(filter small,$(DAY2)),small,all)) $(if $(ONLY),--only '$(ONLY)') $(if $(UPGRADE),--upgrade) $(if $(ACCEPTANCE),--acceptance)

rehearse-faults: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## the same with everything going wrong once; FAULTS=small for some, ONLY=PATTERN for those of a name, CONTROL_PLANE=fleet as above
	@exec $(PYTHON) -m tests.rehearsal --faults $(or $(FAULTS),all) $(if $(CONTROL_PLANE),--control-plane $(CONTROL_PLANE)) $(if $(ONLY),--only '$(ONLY)')

rehearse-scripts: $(STAMPS)/lab-packages $(NODE) ## scripts and manifests without terraform; FAULTS=all to fail every call once
	@exec $(PYTHON) -m tests.rehearsal --without-terraform $(if $(FAULTS),--faults $(FAULTS))

# No cache: Sphinx repeats no warning about a page that has not changed.
docs: $(STAMPS)/docs ## build the site into site/; dead links, unknown anchors and pages outside the navigation are errors
	@rm -rf site
	@.tools/docs/bin/python -m sphinx -c tools/docs -d .tools/doctrees --fresh-env --quiet --keep-going --fail-on-warning . site
	@echo 'The site: site/index.html'

pictures: $(STAMPS)/mesh-packages $(NODE) $(STAMPS)/cdktf ## draw the pictures of docs/images/ again, with `mesh picture`
	@mesh picture --format svg --output docs/images/topology.svg
	@mesh picture --format png --output docs/images/topology.png
	@mesh picture --config docs/images/three-regions.yaml --format svg --output docs/images/three-regions.svg
	@mesh picture --config docs/images/six-regions.yaml --format svg --output docs/images/six-regions.svg

acceptance: $(STAMPS)/mesh-packages $(NODE) $(STAMPS)/cdktf ## try a small environment in a real project, PROJECT=ID, and destroy it: docs/acceptance.md; YES=1 without a question, ZONES='A B' for other regions
	@exec $(PYTHON) -m tools.acceptance --project '$(or $(PROJECT),$(error name a Google Cloud project: make acceptance PROJECT=ID))' $(if $(ZONES),--zones '$(ZONES)') $(if $(YES),--yes)

bench: $(STAMPS)/lab-packages $(NODE) $(STAMPS)/cdktf ## measure synthesis, and a deploy at 2, 4 and 8 regions (40 minutes)
	@$(PYTHON) -m tests.tools.bench; status=$$?; $(PYTHON) -m tests.rehearsal.bench && exit $$status

format: $(STAMPS)/dev-packages ## format the Python code
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

schema: $(STAMPS)/mesh-packages ## write what is generated: mesh.schema.json, docs/configuration.md, docs/cli.md and a table of docs/verification-status.md
	@$(PYTHON) -m config.schema
	@$(PYTHON) -m config.reference
	@$(PYTHON) -m tools.docs.cli_page
	@$(PYTHON) -m tests.site.blocks

snapshots: $(STAMPS)/dev-packages $(NODE) ## update the snapshots to what is synthesized now
	@$(PYTHON) -m pytest tests/synthesis/test_snapshots.py --snapshot-update

policy: $(STAMPS)/packages $(NODE) $(STAMPS)/checkov ## hold the hardened example against the policy, as it is and with each mutation; CONFIG=FILE for a file of yours
	@$(PYTHON) -m policy $(or $(CONFIG),--mutations $(if $(DOCS),--docs))

vulnerabilities: $(STAMPS)/mesh-packages $(STAMPS)/supply $(NODE) ## look up known vulnerabilities of all locked packages
	@$(PYTHON) -m tools.supply.vulnerabilities

licences: $(STAMPS)/dev-packages $(STAMPS)/lab-packages $(STAMPS)/cdktf $(STAMPS)/schemas $(STAMPS)/checkov $(STAMPS)/supply $(STAMPS)/docs ## write docs/licences.md
	@$(PYTHON) -m tools.supply.licences

move-to-cdktn: $(STAMPS)/pipenv $(NODE) ## move this checkout to CDK Terrain, the library's successor: docs/cdktn.md
	@.tools/pipenv/bin/python tools/move_to_cdktn.py

clean: ## remove everything that make installed or wrote; state files stay
	rm -rf .lab .rehearsal .tools .venv node_modules tests/synthesis/schemas/node_modules cdktf.out site

uninstall: ## list and remove what is outside the checkout; YES=1 without a question
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
