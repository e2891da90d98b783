# Each target makes what it needs first: `make demo` on a fresh clone fetches, builds and labels.
SHELL := /bin/bash
PREFIX ?= /usr/local
SWIFT ?= swift
MAL := .build/release/mal

help:
	@echo "make demo                  label the photographs of Demo/ and draw the masks, into demo-out/"
	@echo "make build                 the executable, $(MAL)"
	@echo "make test                  all tests"
	@echo "make bench                 speed and memory, measured (Benchmarks/)"
	@echo "make fuzz                  mutated inputs under the address sanitizer (long)"
	@echo "make docs                  the library's pages (DocC), into docs-out/"
	@echo "make install PREFIX=DIR    DIR/bin/mal, all its libraries, models, manual page, completions; now $(PREFIX)"
	@echo "make uninstall PREFIX=DIR  takes that away"
	@echo "make clean                 what was built; .deps (libtorch) stays"
	@echo "TORCH_VARIANT=cuda make …  with CUDA"

bootstrap:
	@scripts/bootstrap.sh

build: bootstrap
	$(SWIFT) build -c release

test: bootstrap
	$(SWIFT) test -c release --disable-testable-imports

demo: build
	@mkdir -p demo-out
	$(MAL) label Demo/images --boxes Demo/boxes.json --out demo-out/masks.json \
	    --overlays demo-out/overlays --report demo-out/report --fresh
	@echo
	@echo "Masks (COCO JSON):       demo-out/masks.json"
	@echo "Masks on the pictures:   demo-out/overlays/"
	@echo "Report, worst first:     demo-out/report/index.html (open it in a browser)"

bench: build
	Benchmarks/run.sh

fuzz: bootstrap
	scripts/fuzz.sh

docs: bootstrap
	MAL_DOCS=1 $(SWIFT) package --scratch-path .build-docs --allow-writing-to-directory docs-out \
	    generate-documentation --target MaskAutoLabeler --output-path docs-out --transform-for-static-hosting
	@echo "python3 -m http.server -d docs-out, then open /documentation/maskautolabeler"

install: bootstrap
	SWIFT="$(SWIFT)" scripts/install.sh "$(PREFIX)"

uninstall:
	scripts/uninstall.sh "$(PREFIX)"

clean:
	rm -rf .build .build-* demo-out docs-out

.PHONY: help bootstrap build test demo bench fuzz docs install uninstall clean
