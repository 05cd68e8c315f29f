#!/bin/sh
# Makes tunic_VERSION_ARCH.deb and what describes it in the directory DIST: build.sh ARCH.
# `make dist` calls it, with DIST, GO, VERSION, BUILT and MAINTAINER in the environment,
# and release and nfpm in DIST/work.
set -eu
umask 022

arch=$1
case $arch in
amd64 | arm64) set -- GOARCH="$arch" ;;
armhf) set -- GOARCH=arm GOARM=6 ;; # of the oldest Raspberry Pis; Debian's own armhf is v7, and runs it
*) echo "no package is made for $arch: there are amd64, arm64 and armhf" >&2 && exit 1 ;;
esac
PATH=$(dirname "$GO"):$PATH # sudo may not have it there
release=$DIST/work/release work=$DIST/work/$arch root=$DIST/work/$arch/root
rm -rf "$work" && mkdir -p "$work"

# The tree is the one that `make install` makes, and documents beside it.
env GOOS=linux CGO_ENABLED=0 "$@" "$GO" build -trimpath -buildvcs=false \
  -ldflags "-s -w -X main.version=$VERSION -X main.built=$BUILT" -o "$work/bin/" ./cmd/tunic
${MAKE:-make} -s install PROGRAM="$work/bin/tunic" DESTDIR="$root" PREFIX=/usr GO="$GO"
DEBIAN_VERSION=$("$release" version "$VERSION" "$BUILT")
export DEBIAN_VERSION ARCH="$arch" MAINTAINER
doc=$root/usr/share/doc/tunic
mkdir -p "$doc" "$root/usr/share/lintian/overrides"
"$release" changelog "$DEBIAN_VERSION" "$BUILT" "$MAINTAINER" | gzip -9n >"$doc/changelog.gz"
"$release" notices "$work/bin/tunic" | gzip -9n >"$doc/NOTICES.gz"
gzip -9n <CHANGELOG.md >"$doc/CHANGELOG.md.gz"
install -m 0644 deploy/debian/copyright "$doc/copyright"
install -m 0644 deploy/debian/lintian-overrides "$root/usr/share/lintian/overrides/tunic"
gzip -9n "$root"/usr/share/man/man*/*
mkdir "$work/conffiles" && mv "$root/etc/tunic/tunic.toml.example" "$work/conffiles/"

package=tunic_${DEBIAN_VERSION}_$arch
cp deploy/debian/preinst deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm deploy/debian/nfpm.yaml "$work/"
(cd "$work" && SOURCE_DATE_EPOCH=$BUILT ../nfpm package --config nfpm.yaml --packager deb --target "../../$package.deb" >/dev/null)
"$release" sbom "$work/bin/tunic" "$VERSION" "$BUILT" >"$DIST/$package.cdx.json"
echo "$DIST/$package.deb"
