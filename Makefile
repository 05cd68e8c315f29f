# tunic: see README.md. `make help` lists the targets.

# sudo may not have the directory of Go on its path.
GO      ?= $(shell command -v go || echo /usr/local/go/bin/go)
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
LDFLAGS  = -s -w -X main.version=$(VERSION)

# What the daemon needs on the box, and what the lab and the tests need beside.
RUN_PACKAGES = tor iptables dovecot-imapd
LAB_PACKAGES = obfs4proxy tor-geoipdb iproute2 iputils-ping tcpdump conntrack nftables curl openssl mutt dnsutils lynx netcat-openbsd socat microsocks wget strace procps libcap2-bin shellcheck make git ca-certificates swaks libnet-ssleay-perl msmtp gopher sacc gophernicus prosody prosody-modules ngircd go-sendxmpp irssi profanity tmux

.PHONY: help deps users build demo test unit e2e peers leaks leaks-mutants chaos-mail lint fuzz bench-mail bench-chat bench-gopher bench-rules bench-fast bench-onions install uninstall clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

deps: users ## install the Debian packages that are missing (as root)
	@missing=$$(for p in $(RUN_PACKAGES) $(LAB_PACKAGES); do \
	  dpkg-query -W -f='$${Status}\n' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing:" $$missing; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

users: ## make the system users that tor and serve run as (as root)
	@for u in tunic tunic-tor tunic-mail tunic-xmpp tunic-irc; do \
	  getent passwd $$u >/dev/null || useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin $$u; done

build: ## build bin/tunic and bin/tunic-lab
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/tunic ./cmd/tunic-lab

demo: deps build ## show the main job in a private Tor network on this machine (as root)
	bin/tunic-lab demo

test: deps build e2e ## run everything (as root); the unit tests are among it

unit: ## run the tests that need no privileges
	$(GO) test ./...

e2e: build ## run the tests that need root, namespaces and a real tor
	$(GO) test -tags lab -p 1 -count=1 -timeout 60m ./...

peers: ## make friends of three boxes, use their names, forget one, introduce two (as root)
	$(GO) test -tags lab -count=1 -timeout 20m -v -run 'TestEndToEnd/(peers|three_peers)$$' ./internal/lab/e2e

leaks: ## send each leak class in each state and write docs/leaks.md (as root)
	TUNIC_LEAKS_REPORT=$(CURDIR)/docs/leaks.md $(GO) test -tags lab -count=1 -timeout 30m -v \
	  -run 'TestEndToEnd/(around|leaks|mutants|wall|states|reload_under_load)$$' ./internal/lab/e2e

leaks-mutants: ## take each rule out in turn and write who notices to docs/rules.md (as root)
	TUNIC_RULES_REPORT=$(CURDIR)/docs/rules.md $(GO) test -tags lab -count=1 -timeout 40m -v -run 'TestShots$$' ./rules/netfilter

CHAOS_MAILS ?= 2000
chaos-mail: build ## send 2000 mails between two boxes while their processes are killed 30 times (as root)
	TUNIC_CHAOS_MAIL=$(CHAOS_MAILS) $(GO) test -tags lab -count=1 -timeout 20m -v -run 'TestEndToEnd/smtp_chaos$$' ./internal/lab/e2e

lint: ## gofmt, vet, staticcheck and shellcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not gofmt'ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./... && $(GO) vet -tags lab ./...
	$(GO) tool -modfile tools/go.mod staticcheck ./... && $(GO) tool -modfile tools/go.mod staticcheck -tags lab ./...
	shellcheck .ci/run

FUZZTIME ?= 10s
fuzz: ## run each fuzz test for FUZZTIME (10s)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg || exit 1; done; done

bench-mail: ## measure mails accepted per second against Postfix, which it installs, on the same disk (as root)
	@$(MAKE) --no-print-directory deps LAB_PACKAGES=postfix
	$(GO) test -tags lab -run "^$$" -bench Accept -benchtime 500x -count 3 ./gateway/endpoint/smtp

bench-chat: ## measure the memory of the chat and mail servers with 50 users (as root)
	TUNIC_CROWD=50 $(GO) test -tags lab -count=1 -timeout 20m -v -run 'TestEndToEnd/crowd$$' ./internal/lab/e2e

bench-gopher: ## measure Gopher requests against gophernicus behind a socket (as root)
	$(GO) test -tags lab -run '^$$' -bench Requests -count 3 ./gateway/endpoint/gopher

bench-rules: ## measure the rules: loading, throughput, new connections, against a bare tor (as root)
	$(GO) test -tags lab -run '^$$' -bench 'Apply|Forward|Redirect|Connect' -count 3 ./rules/netfilter
	$(GO) test -tags lab -run '^$$' -bench Transparent -benchtime 1x -timeout 20m ./internal/lab

bench-fast: ## compare onions that are not anonymous with those that are (as root)
	$(GO) test -tags lab -run '^$$' -bench 'BenchmarkFast$$' -benchtime 1x -timeout 15m ./internal/lab

bench-onions: ## measure the fronts: memory, the relay against others, through Tor against none, many onions (as root)
	$(GO) test -tags lab -run 'TestIdleStreams|TestNoCopy' -bench Relay -benchtime 1x -v ./gateway/onion
	TUNIC_ONIONS=1 $(GO) test -tags lab -count=1 -timeout 25m -v -run 'TestEndToEnd$$/^outside$$/^many_onions$$' ./internal/lab/e2e

install: build ## install the binary, units, users and an example configuration (DESTDIR, PREFIX)
	install -D -m 0755 bin/tunic $(DESTDIR)$(PREFIX)/bin/tunic
	install -d $(DESTDIR)/lib/systemd/system $(DESTDIR)/usr/lib/sysusers.d $(DESTDIR)/usr/lib/tmpfiles.d
	for u in tunic.service tunic-lockdown.service; do \
	  sed 's|@PREFIX@|$(PREFIX)|g' systemd/$$u > $(DESTDIR)/lib/systemd/system/$$u && chmod 0644 $(DESTDIR)/lib/systemd/system/$$u; done
	install -m 0644 systemd/tunic.sysusers $(DESTDIR)/usr/lib/sysusers.d/tunic.conf
	install -m 0644 systemd/tunic.tmpfiles $(DESTDIR)/usr/lib/tmpfiles.d/tunic.conf
	install -D -m 0644 systemd/networkd.conf $(DESTDIR)/usr/lib/systemd/networkd.conf.d/50-tunic.conf
	install -D -m 0644 systemd/tunic.sysctl $(DESTDIR)/usr/lib/sysctl.d/50-tunic.conf
	install -d -m 0755 $(DESTDIR)/etc/tunic $(DESTDIR)/etc/tunic/devices $(DESTDIR)/etc/tunic/onions $(DESTDIR)/etc/tunic/endpoints $(DESTDIR)/etc/tunic/torrc.d
	install -m 0644 gateway/config/example.toml $(DESTDIR)/etc/tunic/tunic.toml.example

uninstall: ## remove what install put in place, but no configuration and no keys
	rm -f $(DESTDIR)$(PREFIX)/bin/tunic $(DESTDIR)/lib/systemd/system/tunic.service $(DESTDIR)/lib/systemd/system/tunic-lockdown.service \
	  $(DESTDIR)/usr/lib/systemd/networkd.conf.d/50-tunic.conf $(DESTDIR)/usr/lib/sysctl.d/50-tunic.conf \
	  $(DESTDIR)/usr/lib/sysusers.d/tunic.conf $(DESTDIR)/usr/lib/tmpfiles.d/tunic.conf $(DESTDIR)/etc/tunic/tunic.toml.example

clean: ## remove what was built
	rm -rf bin dist
