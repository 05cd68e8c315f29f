# tunic: see README.md. `make help` lists the targets.

# sudo may not have the directory of Go on its path.
GO      ?= $(shell command -v go || echo /usr/local/go/bin/go)
PREFIX  ?= /usr/local
DESTDIR ?=
# An archive of git's has its version in the file .version.
VERSION ?= $(shell { [ -e .git ] && git describe --tags --always --dirty || awk '!/Format/ {print $$2}' .version; } 2>/dev/null | grep . || echo development)
# When that version was committed, in seconds of Unix: no clock of a box that
# runs it is before that. An archive has it in the file .version too.
BUILT   ?= $(shell { [ -e .git ] && git log -1 --format=%ct || awk '!/Format/ {print $$1}' .version; } 2>/dev/null | grep . || echo $$SOURCE_DATE_EPOCH)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.built=$(BUILT)
# No path and no state of the checkout gets into a program: whoever builds the
# same source with the same Go gets the same bytes.
BUILD    = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false

# Every processor that tunic is built for, with what it may lack; and those
# whose unit tests an emulator runs: 32 bits, and the bytes in either order.
CROSS    = amd64 arm64 arm,GOARM=6 arm,GOARM=7 386 mips,GOMIPS=softfloat mipsle,GOMIPS=softfloat riscv64
EMULATED = arm,GOARM=6,qemu-arm-static mipsle,GOMIPS=softfloat,qemu-mipsel-static mips,GOMIPS=softfloat,qemu-mips-static

# What the daemon needs on the box; the servers that it runs once there is a file
# in /etc/tunic/endpoints for them; and what the lab and the tests need beside.
RUN_PACKAGES = tor iptables
SERVER_PACKAGES = dovecot-imapd prosody prosody-modules ngircd
LAB_PACKAGES = mmdebstrap systemd-container e2fsprogs obfs4proxy tor-geoipdb iproute2 iputils-ping tcpdump conntrack nftables curl openssl mutt dnsutils lynx netcat-openbsd socat microsocks wget strace procps faketime libcap2-bin busybox-static shellcheck make git ca-certificates swaks libnet-ssleay-perl msmtp gopher sacc gophernicus go-sendxmpp irssi profanity tmux torsocks qemu-user-static python3-yaml minisign groff-base gnutls-bin openssh-server openssh-client

.PHONY: help deps servers lab-deps users build dist-openwrt demo test unit race e2e long cross cross-test reproducible machines machines-long machines-clock machines-openwrt machines-upgrade cuts dialects peers streams-long leaks leaks-mutants chaos-mail check-metrics lint fuzz mutants bench-mail bench-chat bench-gopher bench-rules bench-packet bench-pass bench-fast bench-onions install uninstall clean balance pair bin/share dist lintian sign verify foreign coexist bench-rest browser jobs bench bench-dns bench-socks bench-fronts systems bench-peers bench-parts bench-check bench-keep bench-page bench-verbs bench-tor bench-curves mesh i2p soak flames bench-go bench-start bench-tors

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

# Installs those of $(1) that are missing. Debian would start and enable each
# server at once, open to all networks; tunic starts those that it needs itself.
define install_quietly
	@missing=$$(for p in $(1); do \
	  dpkg-query -W -f='$${Status}\n' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing:" $$missing; \
	  if ! [ -e /usr/sbin/policy-rc.d ]; then \
	    trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
	    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d; \
	  fi; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null || exit 1; \
	  for p in $$missing; do \
	    case $$p in tor|prosody|ngircd|dovecot-imapd|gophernicus|prometheus|unbound|haproxy|openssh-server) systemctl --quiet disable $$(echo $${p%-imapd} | sed s/openssh-server/ssh/) 2>/dev/null || true;; esac; done; \
	fi
endef

deps: users ## install the Debian packages that a box needs, and start none of them (as root)
	$(call install_quietly,$(RUN_PACKAGES))

servers: ## install the servers of mail, XMPP and IRC, which tunic then runs, and start none of them (as root)
	$(call install_quietly,$(SERVER_PACKAGES))

lab-deps: deps servers ## install what the lab and the tests need beside (as root)
	$(call install_quietly,$(LAB_PACKAGES))

users: ## make the system users that tor and serve run as (as root)
	@for u in tunic tunic-tor tunic-mail tunic-xmpp tunic-irc tunic-i2p tunic-service; do \
	  getent passwd $$u >/dev/null || useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin $$u; done
	@getent group tunic-look >/dev/null || groupadd --system tunic-look

build: ## build bin/tunic and bin/tunic-lab, and the manual pages and completions in bin/share
	$(BUILD) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/tunic ./cmd/tunic-lab
	@$(MAKE) --no-print-directory bin/share

# What this machine runs while it builds for another.
HERE = env -u GOOS -u GOARCH -u GOARM -u GOMIPS CGO_ENABLED=0 $(GO)

bin/share:
	@mkdir -p bin/share && $(HERE) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/share/tunic ./cmd/tunic && \
	cd bin/share && ./tunic manual 8 >tunic.8 && ./tunic manual 5 >tunic.toml.5 && \
	for shell in bash zsh fish; do ./tunic completion $$shell >tunic.$$shell || exit 1; done && rm tunic

# Debian's names of the processors that packages are made for.
ARCHS      ?= amd64 arm64 armhf
MAINTAINER ?= tunic maintainers <maintainers@tunic.invalid>

DIST       ?= dist

dist: bin/share ## make the Debian packages (ARCHS, MAINTAINER), their bills of materials and SHA256SUMS in DIST
	@rm -rf $(DIST) && mkdir -p $(DIST)/work && $(HERE) build -trimpath -buildvcs=false -o $(DIST)/work/release ./internal/release && \
	(cd tools && $(HERE) build -trimpath -buildvcs=false -o $(abspath $(DIST))/work/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm) && \
	export DIST='$(DIST)' GO='$(GO)' VERSION='$(VERSION)' BUILT='$(BUILT)' MAINTAINER='$(MAINTAINER)' && \
	for arch in $(ARCHS); do deploy/debian/build.sh $$arch || exit 1; done && $(DIST)/work/release sums $(DIST) && rm -rf $(DIST)/work

lintian: dist ## have Debian's own checker look at the packages (as root)
	$(call install_quietly,lintian)
	lintian --allow-root --display-info --pedantic --fail-on error,warning,info,pedantic $(DIST)/*.deb

sign: ## sign SHA256SUMS in DIST with the minisign key in KEY=FILE, which asks for its password
	@$(HERE) run ./internal/release sign '$(KEY)' $(DIST) && echo $(DIST)/SHA256SUMS.minisig

verify: ## check the signature in DIST with the public key in PUBLIC=FILE, and all files in it
	@$(HERE) run ./internal/release verify '$(PUBLIC)' $(DIST) && echo 'all files are those that were signed'

# OpenWrt's names of the processors that packages are made for (`opkg print-architecture`,
# /etc/apk/arch); any other that build.sh has a line for is made when it is named.
OPENWRT_ARCHS ?= mips_24kc mipsel_24kc arm_cortex-a7_neon-vfpv4 arm_cortex-a9_vfpv3-d16 arm_cortex-a15_neon-vfpv4 aarch64_cortex-a53 aarch64_cortex-a72 aarch64_generic x86_64
OPENWRT_DIST  ?= dist/openwrt
# The module of Prosody for onions, from Debian's prosody-modules.
MOD_ONIONS ?= /usr/lib/prosody/modules/mod_onions/mod_onions.lua

dist-openwrt: ## make the packages for OpenWrt 24.10 and 25.12 (OPENWRT_ARCHS) and their SHA256SUMS in OPENWRT_DIST
	@rm -rf $(OPENWRT_DIST) && mkdir -p $(OPENWRT_DIST)/work && \
	$(HERE) build -trimpath -buildvcs=false -o $(OPENWRT_DIST)/work/release ./internal/release && \
	(cd tools && CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -o $(abspath $(OPENWRT_DIST))/work/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm) && \
	export DIST='$(OPENWRT_DIST)' GO='$(GO)' VERSION='$(VERSION)' BUILT='$(BUILT)' MAINTAINER="$${MAINTAINER:-tunic maintainers <maintainers@tunic.invalid>}" MOD_ONIONS='$(MOD_ONIONS)' && \
	for arch in $(OPENWRT_ARCHS); do deploy/openwrt/build.sh $$arch || exit 1; done && $(OPENWRT_DIST)/work/release sums $(OPENWRT_DIST) && rm -rf $(OPENWRT_DIST)/work

demo: lab-deps build ## show the main job in a private Tor network on this machine (as root)
	bin/tunic-lab demo

test: lab-deps build cross e2e machines ## run everything (as root); the unit tests are among it

unit: ## run the tests that need no privileges
	$(GO) test ./...

e2e: lab-deps build ## run the tests that need root, namespaces and a real tor (as root)
	$(GO) test -tags lab -p 2 -count=1 -timeout 60m ./...

cross: ## build for every processor, and look at the tests for one of 32 bits
	@for target in $(CROSS); do \
	  echo "$$target"; env GOOS=linux GOARCH=$$(echo $$target | tr , ' ') $(BUILD) -o /dev/null ./cmd/tunic || exit 1; done
	GOOS=linux GOARCH=arm GOARM=6 CGO_ENABLED=0 $(GO) vet -trimpath -buildvcs=false ./...

cross-test: ## run the unit tests for ARMv6 and for MIPS in both byte orders, in an emulator
	@failed=; for target in $(EMULATED); do echo "$${target%,*}"; \
	  env GOOS=linux CGO_ENABLED=0 GOARCH=$$(echo $${target%,*} | tr , ' ') \
	    $(GO) test -trimpath -buildvcs=false -vet=off -count=1 -timeout 20m -exec "$${target##*,}" ./... || failed="$$failed $${target%,*}"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

reproducible: ## build what is committed and its packages twice, from git and from an archive elsewhere, and compare
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && mkdir "$$dir/elsewhere" && \
	(umask 077 && git clone -q . "$$dir/checkout") && git archive HEAD | tar -x -C "$$dir/elsewhere" && \
	for tree in checkout elsewhere; do TZ=X-$${#tree} $(MAKE) --no-print-directory -C "$$dir/$$tree" build dist GO='$(GO)' || exit 1; done && \
	for made in bin dist; do diff -r "$$dir/checkout/$$made" "$$dir/elsewhere/$$made" || exit 1; done && \
	cat "$$dir/checkout/dist/SHA256SUMS" && echo "both are $$(sha256sum < "$$dir/checkout/bin/tunic" | cut -c1-64)"

machines: lab-deps build ## boot Debian 12 and 13 with tunic installed, in the place of the lab's gateway (as root)
	$(GO) test -tags machines -count=1 -timeout 20m -v -run 'TestMachines$$' ./internal/machines

machines-long: lab-deps build ## the same with everything that happens to a box, and write docs/machines.md (as root)
	TUNIC_MACHINES_REPORT=$(CURDIR)/docs/machines.md $(GO) test -tags machines -count=1 -timeout 60m -v -run 'Test(Machines|Setup)$$' ./internal/machines
	$(MAKE) --no-print-directory dialects

machines-clock: lab-deps build ## wake both Debians in an emulator with a clock that is years behind (as root)
	$(call install_quietly,qemu-system-x86)
	$(GO) test -tags machines -count=1 -timeout 30m -v -run 'TestClock$$' ./internal/machines

machines-upgrade: lab-deps build ## install newer packages, good and broken ones, on both Debians in use (as root)
	TUNIC_UPGRADE=1 TUNIC_LONG=1 $(GO) test -tags machines -count=1 -timeout 40m -v -run 'TestUpgrade$$' ./internal/machines

foreign: lab-deps dist ## install the packages of both ARMs on Debians of theirs, in an emulator (as root)
	$(call install_quietly,arch-test)
	TUNIC_FOREIGN=1 $(GO) test -tags machines -count=1 -timeout 60m -v -run 'TestForeign$$' ./internal/machines

machines-openwrt: lab-deps servers build ## boot a stand-in for an OpenWrt router with the package, in the place of the lab's gateway (as root)
	$(GO) test -tags machines -count=1 -timeout 30m -v -run 'TestOpenWrt$$' ./internal/machines

CUTS ?= 50
cuts: lab-deps build ## take the power of both Debians away 50 times while people use them (as root)
	TUNIC_CUTS=$(CUTS) $(GO) test -tags machines -count=1 -timeout 60m -v -run 'TestCuts$$' ./internal/machines

long: lab-deps build ## run the tests that take minutes and rarely fail (as root)
	TUNIC_LONG=1 $(GO) test -tags lab -count=1 -timeout 30m -v -run 'TestEndToEnd/(talk|away|move|three_peers)$$' ./internal/lab/e2e
	TUNIC_LONG=1 $(GO) test -tags lab -count=1 -timeout 10m -v -run 'Test((Archive|Room)Shares|LessAndLessOften|QuestionsOfAFriend|Forgers|PortScan)$$' ./gateway/endpoint/xmpp ./rules/netfilter

jobs: lab-deps build ## do a newcomer's jobs and break eight things, and write docs/jobs.md (as root)
	TUNIC_JOBS=$(CURDIR)/docs/jobs.md $(GO) test -tags lab -count=1 -timeout 30m -v -run 'TestEndToEnd$$/^(notices|jobs)$$' ./internal/lab/e2e

# For how many minutes: 5 or more.
MINUTES ?= 20

soak: lab-deps build ## use a house for MINUTES (20) as many people do, and write what it takes into docs/footprint.md (as root)
	TUNIC_SOAK=$(MINUTES) TUNIC_SOAK_PAGE=$(CURDIR)/docs/footprint.md TUNIC_CURVES=$(CURDIR)/docs/curves $(GO) test -tags lab -count=1 -timeout $$(($(MINUTES)+15))m -v -run 'TestEndToEnd$$/^soak$$' ./internal/lab/e2e

# A Matrix server and a node of IPFS that no Debian has, and the kernel of the machine for a friend, which is not installed here.
DENDRITE  = github.com/matrix-org/dendrite
VM_KERNEL = linux-image-cloud-amd64

systems: lab-deps build ## try other projects' programs between two houses, and write docs/systems.md (as root)
	$(call install_quietly,openssh-server openssh-client rlwrap diod finger gnupg yggdrasil mosh transmission-daemon transmission-cli python3-libtorrent aria2 litecoind mosquitto mosquitto-clients gnunet qemu-system-x86 toxcore-utils toxic)
	CGO_ENABLED=0 GOBIN=$(CURDIR)/dist/peers $(GO) install $(addprefix $(DENDRITE)/cmd/,$(addsuffix @v0.13.8,dendrite generate-config generate-keys))
	cd tools/kubo && CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -o $(CURDIR)/dist/peers/ipfs github.com/ipfs/kubo/cmd/ipfs
	rm -rf dist/vm && mkdir -p dist/vm && cd dist/vm && apt-get -qq -o APT::Sandbox::User=root download $$(apt-cache depends $(VM_KERNEL) | awk '/Depends: linux-image/ {print $$2; exit}')
	dpkg-deb --fsys-tarfile dist/vm/*.deb | tar -x -C dist/vm --wildcards './boot/vmlinuz-*' && mv dist/vm/boot/vmlinuz-* dist/vm/vmlinuz
	TUNIC_KERNEL=$(CURDIR)/dist/vm/vmlinuz TUNIC_DENDRITE=$(CURDIR)/dist/peers TUNIC_KUBO=$(CURDIR)/dist/peers TUNIC_SYSTEMS=$(CURDIR)/docs/systems.md $(GO) test -tags lab -count=1 -timeout 30m -v -run 'TestEndToEnd$$/^systems$$' ./internal/lab/e2e

peers: ## make friends of three boxes, use their names, forget one, introduce two (as root)
	TUNIC_LONG=1 $(GO) test -tags lab -count=1 -timeout 20m -v -run 'TestEndToEnd/(peers|three_peers)$$' ./internal/lab/e2e

BALANCE ?= 5
balance: lab-deps build ## kill five times one of three boxes that share an address by Onionbalance (as root)
	$(call install_quietly,onionbalance)
	TUNIC_BALANCE=$(BALANCE) $(GO) test -tags lab -count=1 -timeout 30m -v -run 'TestEndToEnd$$/^balance$$' ./internal/lab/e2e

coexist: lab-deps build ## try other programs beside tunic: filters for names, WireGuard, firewalls, Docker (as root)
	$(call install_quietly,dnsmasq-base wireguard-tools wireguard-go)
	TUNIC_COEXIST=1 $(GO) test -tags lab -count=1 -timeout 30m -v -run 'TestEndToEnd$$/^(filter|wireguard)$$' ./internal/lab/e2e
	TUNIC_COEXIST=1 $(GO) test -tags machines -count=1 -timeout 30m -v -run 'TestCoexist$$' ./internal/machines

mesh: lab-deps build ## have a real yggdrasil over a friend's onion and as an interface of the household (as root)
	$(call install_quietly,yggdrasil)
	TUNIC_MESH=1 $(GO) test -tags lab -count=1 -timeout 20m -v -run 'TestEndToEnd$$/^mesh$$' ./internal/lab/e2e

PAIR ?= 10
pair: lab-deps build ## take the power ten times of one of the two boxes of a household (as root)
	$(call install_quietly,keepalived openssh-server openssh-client rsync)
	TUNIC_PAIR=$(PAIR) $(GO) test -tags lab -count=1 -timeout 40m -v -run 'Test(Pair|Sync|BothWereOff)$$' ./internal/lab/pair

i2p: lab-deps build ## join a closed I2P network through Tor, open its names, publish there, and look for leaks (as root)
	$(call install_quietly,i2pd)
	TUNIC_I2P=1 $(GO) test -tags lab -count=1 -timeout 30m -v -run 'TestEndToEnd$$/^i2p$$' ./internal/lab/e2e

browser: lab-deps build ## use the pages of two houses with chromium, and write docs/screenshots (as root)
	$(call install_quietly,chromium $(if $(shell command -v npm),,nodejs npm) libnss3-tools webp fonts-dejavu-core)
	cd internal/lab/browser && npm ci --ignore-scripts --no-audit --no-fund
	TUNIC_BROWSER=1 TUNIC_PICTURES=$(CURDIR)/docs/screenshots $(GO) test -tags lab -count=1 -timeout 30m -v -run 'TestEndToEnd$$/^browser$$' ./internal/lab/e2e

streams-long: ## keep streams between two boxes open, idle for 2 minutes and busy for 10 (as root)
	TUNIC_STREAMS_LONG=1 $(GO) test -tags lab -count=1 -timeout 30m -v -run 'TestEndToEnd/peers$$' ./internal/lab/e2e

leaks: ## send each leak class in each state and write docs/leaks.md (as root)
	TUNIC_LEAKS_REPORT=$(CURDIR)/docs/leaks.md $(GO) test -tags lab -count=1 -timeout 30m -v \
	  -run 'TestEndToEnd/(around|leaks|mutants|wall|states|reload_under_load)$$' ./internal/lab/e2e

leaks-mutants: ## take each rule out in turn and write who notices to docs/rules.md (as root)
	TUNIC_RULES_REPORT=$(CURDIR)/docs/rules.md $(GO) test -tags lab -count=1 -timeout 40m -v -run 'TestShots$$' ./rules/netfilter

CHAOS_MAILS ?= 2000
chaos-mail: build ## send 2000 mails between two boxes while their processes are killed 30 times (as root)
	TUNIC_CHAOS_MAIL=$(CHAOS_MAILS) $(GO) test -tags lab -count=1 -timeout 20m -v -run 'TestEndToEnd/smtp_chaos$$' ./internal/lab/e2e

# The roots of the machines: a directory for each Debian, named after what it was made of.
TUNIC_ROOTS ?= $(shell ls -d /var/cache/tunic-machines/*-???????????? 2>/dev/null | paste -sd:)
dialects: ## run the managed servers of the Debians in TUNIC_ROOTS=DIR:DIR (the machines') with their dialects (as root)
	@[ -n "$(TUNIC_ROOTS)" ] || { echo "there are no Debians: run make machines first, or make dialects TUNIC_ROOTS=DIR:DIR"; exit 1; }
	TUNIC_LONG=1 TUNIC_ROOTS=$(TUNIC_ROOTS) $(GO) test -tags lab -count=1 -timeout 40m -v ./internal/lab/roots

check-metrics: ## have Prometheus' own tool, which it installs, look at the metrics and the alerts (as root)
	$(call install_quietly,prometheus)
	$(GO) test -count=1 -v -run TestPromtool ./gateway/metrics

race: ## run the unit tests with Go's race detector, which takes a C compiler
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

lint: ## gofmt, vet, staticcheck, shellcheck, and whether go.mod says what is imported
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not gofmt'ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./... && $(GO) vet -tags lab,machines ./...
	$(GO) tool -modfile tools/go.mod staticcheck ./... && $(GO) tool -modfile tools/go.mod staticcheck -tags lab,machines ./...
	$(GO) mod tidy -diff
	shellcheck .ci/run deploy/raspberrypi/image/firstboot/firstboot deploy/ha/tunic-pair deploy/debian/build.sh deploy/debian/preinst deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm
	shellcheck -x -s dash -e SC2034,SC3043 -P deploy/openwrt/tunic/files deploy/openwrt/tunic/files/*.init deploy/openwrt/tunic/files/*.sh deploy/openwrt/tunic/files/tunic.defaults deploy/openwrt/build.sh deploy/openwrt/postinst deploy/openwrt/prerm
	cd internal/machines/testdata/openwrt && shellcheck -s dash -e SC2034,SC3043,SC1090,SC1091,SC2154 etc/init.d/* etc/rc.common lib/functions.sh lib/functions/*

FUZZTIME ?= 10s
fuzz: ## run each fuzz test for FUZZTIME (10s)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg || exit 1; done; done

# What to look at, and for how long: make mutants PKG=./gateway/peer MUTANTS="-for 5m"
PKG     ?= ./gateway/peer
MUTANTS ?= -for 10m
mutants: ## name the guards of the package PKG whose removal no test notices
	nice -n 10 $(GO) run ./internal/mutants $(MUTANTS) $(PKG)

# The peer that does the same work as our SOCKS proxy: it hands connections on by SOCKS with a login.
SING_BOX = github.com/sagernet/sing-box/cmd/sing-box@v1.14.1

# The disk that is measured: that of a directory, or one for which each sync takes SYNC, such as 5ms.
DISK ?= gateway/endpoint/smtp
SYNC ?=

# How a part is run that puts its rows into dist/bench.json.
PART = TUNIC_BENCH=$(CURDIR)/dist/bench.json $(GO) test -tags lab -run '^$$' -benchtime 1x -v -timeout

# In 20 minutes on two processors; the programs to compare with are there before.
bench: bench-peers ## measure against other programs, in turns, into dist/bench.json, in 20 minutes at most (as root)
	rm -f dist/bench.json dist/bench-rounds.json
	timeout 1200 $(MAKE) --no-print-directory -k bench-parts

bench-parts: bench-dns bench-socks bench-fronts bench-mail bench-gopher bench-rules bench-pass bench-tor bench-verbs

bench-peers: lab-deps ## install and build all that `make bench` compares with (as root)
	$(call install_quietly,dnsperf dnsmasq-base unbound microsocks haproxy postfix)
	CGO_ENABLED=0 GOBIN=$(CURDIR)/dist/peers $(GO) install $(SING_BOX)

bench-check: ## compare dist/bench.json with docs/bench.json: no ratio may be worse by more than a fifth
	$(GO) run ./internal/bench/report check dist/bench.json docs/bench.json

bench-keep: ## make the ratios of dist/bench.json those that bench-check compares with
	$(GO) run ./internal/bench/report keep dist/bench.json docs/bench.json

bench-page: ## write dist/bench.json into docs/benchmarks.md
	$(GO) run ./internal/bench/report page dist/bench.json docs/benchmarks.md

BENCHSTAT = golang.org/x/perf/cmd/benchstat@v0.0.0-20250813145418-2f7363a06fe1

bench-go: ## measure single functions, which needs no rights, and compare with docs/go.bench
	mkdir -p dist
	$(GO) test -run '^$$' -bench 'Answer|Finder|Sign|ParseRelays|StreamEvent' -benchtime 200ms -count 6 ./gateway/resolver ./gateway/endpoint/smtp/address ./gateway/tor >dist/go.bench
	$(GO) run $(BENCHSTAT) docs/go.bench dist/go.bench

flames: ## draw docs/flames/*.svg, where the time of hot paths goes (as root)
	$(call install_quietly,dnsperf)
	mkdir -p dist docs/flames
	TUNIC_PROFILE=$(CURDIR)/dist/dns.pprof $(GO) test -tags lab -run '^$$' -bench '^BenchmarkAlone$$' -benchtime 1x ./gateway/resolver
	TUNIC_PROFILE=$(CURDIR)/dist/socks.pprof $(GO) test -tags lab -run '^$$' -bench '^BenchmarkAlone$$' -benchtime 1x ./gateway/socks
	TUNIC_PROFILE=$(CURDIR)/dist/front.pprof $(GO) test -tags lab -run '^$$' -bench '^BenchmarkAlone$$' -benchtime 1x ./gateway/onion
	$(GO) test -run '^$$' -bench '^BenchmarkPass$$/^big$$' -benchtime 4s -cpuprofile dist/pass.pprof -o dist/pass.test ./gateway
	$(call flame,dns,names that are known)
	$(call flame,socks,connections through the SOCKS proxy)
	$(call flame,front,streams through a front)
	$(call flame,pass,a pass with 1000 devices and 50 onions and 50 friends,-ignore=bigHouse)

# A profile in dist becomes a picture with a title, which has no comma; flags of pprof may come after that.
flame = $(GO) tool pprof $(3) -traces dist/$(1).pprof | $(GO) run ./internal/bench/flame "$(2)" >docs/flames/$(1).svg

bench-curves: ## measure how costs grow with devices, onions, friends and mails, and draw docs/curves/*.svg
	TUNIC_CURVES=$(CURDIR)/docs/curves $(GO) test -tags lab -run '^$$' -bench '^BenchmarkCurves$$' -benchtime 1x -v -timeout 9m ./gateway ./gateway/endpoint/smtp ./rules/netfilter

bench-dns: ## measure DNS from memory against dnsmasq and unbound, which it installs (as root)
	$(call install_quietly,dnsperf dnsmasq-base unbound)
	$(PART) 5m -bench '^BenchmarkPeers$$' ./gateway/resolver

bench-socks: ## measure SOCKS connections against sing-box and microsocks, which it installs (as root)
	$(call install_quietly,microsocks)
	CGO_ENABLED=0 GOBIN=$(CURDIR)/dist/peers $(GO) install $(SING_BOX)
	TUNIC_SING_BOX=$(CURDIR)/dist/peers/sing-box $(PART) 3m -bench '^BenchmarkPeers$$' ./gateway/socks

bench-fronts: ## measure streams of fronts against HAProxy, which it installs (as root)
	$(call install_quietly,haproxy)
	$(PART) 3m -bench '^BenchmarkPeers$$' ./gateway/onion

bench-mail: ## measure mails a second with 1, 4 and 20 senders against Postfix, which it installs, on DISK=DIRECTORY or a disk with SYNC=5ms for each sync (as root)
	$(call install_quietly,postfix)
	TUNIC_BENCH_DISK=$(abspath $(DISK)) TUNIC_BENCH_SYNC=$(SYNC) $(PART) 10m -bench '^BenchmarkPeers$$' ./gateway/endpoint/smtp

bench-gopher: ## measure Gopher requests against gophernicus, started for each as by a socket (as root)
	$(PART) 3m -bench '^BenchmarkPeers$$' ./gateway/endpoint/gopher

bench-rules: ## measure the rules: loading, throughput, new connections, against none (as root)
	$(PART) 5m -bench '^BenchmarkPeers$$' ./rules/netfilter

bench-packet: ## measure what each part of the rules costs a forwarded packet (as root)
	$(GO) test -tags lab -run '^$$' -bench '^BenchmarkPacket$$' -benchtime 1x -v -timeout 5m ./rules/netfilter

bench-pass: ## measure a pass by which nothing changes, in an empty house and in a big one
	$(PART) 3m -bench '^BenchmarkPeers$$' ./gateway

bench-tor: ## measure what devices and visitors get through Tor against a bare tor with hand-written rules, in the lab (as root)
	$(PART) 8m -bench '^Benchmark(Transparent|Front)$$' ./internal/lab

# One after the other: ONIONS=50 is the start with 50.
ONIONS ?= 1 10 50
bench-start: ## measure starts with ONIONS="1 10 50" against those of a bare tor with the same torrc, in the lab (as root)
	$(foreach n,$(ONIONS),$(GO) test -tags lab -run '^$$' -bench '^BenchmarkStart$$/^$(n)$$' -benchtime 1x -v -timeout 9m ./internal/lab &&) true

# Settings of tor, one tor for each: words with "=" for a blank and commas for a new line; "-" are tor's own.
SETTINGS ?= - ConfluxEnabled=0 MaxClientCircuitsPending=64
bench-tors: ## measure several tors beside each other, and tor's SETTINGS for 50 devices after a start, in the lab (as root)
	TUNIC_REBOOT="$(SETTINGS)" $(GO) test -tags lab -run '^$$' -bench '^Benchmark(Tors|Reboot)$$' -benchtime 1x -v -timeout 20m ./internal/lab

bench-verbs: ## measure verbs and wake-ups with 1,000 devices, 50 onions and 50 friends, in the lab (as root)
	$(PART) 8m -bench '^BenchmarkVerbs$$' ./internal/lab

bench-chat: ## measure the memory of the chat and mail servers with 50 users (as root)
	TUNIC_CROWD=50 $(GO) test -tags lab -count=1 -timeout 20m -v -run 'TestEndToEnd/crowd$$' ./internal/lab/e2e

REST ?= 0/0/0 0/0/10 0/0/100 1000/50/50
bench-rest: ## measure a box in which nothing happens, with REST=DEVICES/ONIONS/FRIENDS, who are away (as root)
	TUNIC_REST="$(REST)" $(GO) test -tags lab -run '^$$' -bench 'BenchmarkRest$$' -benchtime 1x -timeout 30m ./internal/lab

bench-fast: ## compare onions that are not anonymous with those that are (as root)
	$(GO) test -tags lab -run '^$$' -bench 'BenchmarkFast$$' -benchtime 1x -timeout 15m ./internal/lab

bench-onions: ## measure the fronts: memory, the relay against others, through Tor against none, many onions (as root)
	$(GO) test -tags lab -run 'TestIdleStreams|TestNoCopy' -bench Relay -benchtime 1x -v ./gateway/onion
	TUNIC_ONIONS=1 $(GO) test -tags lab -count=1 -timeout 25m -v -run 'TestEndToEnd$$/^outside$$/^many_onions$$' ./internal/lab/e2e

# The program that is installed, and for which system.
PROGRAM ?= bin/tunic

bin/tunic:
	@echo "there is no bin/tunic: run \`make build\`, here or on another machine, as README.md says"; exit 1

UNITS = $(DESTDIR)/usr/lib/systemd/system
SHARE = $(DESTDIR)$(PREFIX)/share
SYSTEMD = [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]

install: $(PROGRAM) ## install the binary, units, users, manual and an example configuration (DESTDIR, PREFIX)
	install -D -m 0755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/tunic
	install -D -m 0644 bin/share/tunic.8 $(SHARE)/man/man8/tunic.8
	install -D -m 0644 bin/share/tunic.toml.5 $(SHARE)/man/man5/tunic.toml.5
	install -d $(SHARE)/doc/tunic/docs && install -m 0644 README.md $(SHARE)/doc/tunic/ && install -m 0644 docs/*.md $(SHARE)/doc/tunic/docs/
	install -D -m 0644 bin/share/tunic.bash $(SHARE)/bash-completion/completions/tunic
	install -D -m 0644 bin/share/tunic.zsh $(SHARE)/zsh/vendor-completions/_tunic
	install -D -m 0644 bin/share/tunic.fish $(SHARE)/fish/vendor_completions.d/tunic.fish
	install -d $(UNITS) $(DESTDIR)/usr/lib/sysusers.d $(DESTDIR)/usr/lib/tmpfiles.d
	for u in tunic.service tunic-lockdown.service tunic-clock.service tunic-clock.timer; do \
	  sed 's|@PREFIX@|$(PREFIX)|g' systemd/$$u > $(UNITS)/$$u && chmod 0644 $(UNITS)/$$u; done
	install -m 0644 systemd/tunic.sysusers $(DESTDIR)/usr/lib/sysusers.d/tunic.conf
	install -m 0644 systemd/tunic.tmpfiles $(DESTDIR)/usr/lib/tmpfiles.d/tunic.conf
	install -D -m 0644 systemd/networkd.conf $(DESTDIR)/usr/lib/systemd/networkd.conf.d/50-tunic.conf
	install -D -m 0644 systemd/tunic.sysctl $(DESTDIR)/usr/lib/sysctl.d/50-tunic.conf
	install -d -m 0700 $(DESTDIR)/etc/tunic $(addprefix $(DESTDIR)/etc/tunic/,devices onions endpoints groups profiles torrc.d)
	install -m 0644 gateway/config/example.toml $(DESTDIR)/etc/tunic/tunic.toml.example
	if $(SYSTEMD); then systemd-sysusers tunic.conf && systemd-tmpfiles --create tunic.conf && /lib/systemd/systemd-sysctl 50-tunic.conf && systemctl daemon-reload; fi

uninstall: ## stop tunic, take its rules away and remove what install put in place, but no configuration and no keys (as root)
	if $(SYSTEMD); then systemctl --quiet disable --now tunic tunic-lockdown tunic-clock.timer; fi
	if [ -z "$(DESTDIR)" ] && [ -x $(PREFIX)/bin/tunic ]; then $(PREFIX)/bin/tunic teardown --yes; fi
	rm -f $(DESTDIR)$(PREFIX)/bin/tunic $(UNITS)/tunic.service $(UNITS)/tunic-lockdown.service $(UNITS)/tunic-clock.service $(UNITS)/tunic-clock.timer \
	  $(SHARE)/man/man8/tunic.8 $(SHARE)/man/man5/tunic.toml.5 $(SHARE)/bash-completion/completions/tunic \
	  $(SHARE)/zsh/vendor-completions/_tunic $(SHARE)/fish/vendor_completions.d/tunic.fish \
	  $(DESTDIR)/usr/lib/systemd/networkd.conf.d/50-tunic.conf $(DESTDIR)/usr/lib/sysctl.d/50-tunic.conf \
	  $(DESTDIR)/usr/lib/sysusers.d/tunic.conf $(DESTDIR)/usr/lib/tmpfiles.d/tunic.conf $(DESTDIR)/etc/tunic/tunic.toml.example
	rm -rf $(DESTDIR)/var/lib/tunic-setup $(SHARE)/doc/tunic/docs $(SHARE)/doc/tunic/README.md
	[ ! -d $(SHARE)/doc/tunic ] || rmdir --ignore-fail-on-non-empty $(SHARE)/doc/tunic
	if $(SYSTEMD); then systemctl daemon-reload; fi
	@[ -n "$(DESTDIR)" ] || { printf '%s\n' "the household's traffic goes past Tor from now on. These stay, for you to remove:" \
	  "  /etc/tunic       the configuration" \
	  "  /var/lib/tunic   the keys of the onions, accounts and mail: without a backup they are gone for ever"; \
	  for d in /etc/tunic.before-* /var/lib/tunic.before-*; do \
	    if [ -d "$$d" ]; then echo "  $$d   what a restore has put aside: keys and passwords too"; fi; done; \
	  printf '%s\n' "  the users tunic, tunic-tor, tunic-mail, tunic-xmpp, tunic-irc, tunic-i2p and tunic-service, and the group tunic-look" \
	  "  the packages $(RUN_PACKAGES), and of the servers $(SERVER_PACKAGES)"; }

clean: ## remove what was built
	rm -rf bin dist
