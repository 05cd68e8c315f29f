#!/bin/sh
# Makes tunic_VERSION_ARCH.ipk and .apk in the directory DIST, for a processor as
# OpenWrt calls it: build.sh ARCH. `make dist-openwrt` calls it, with DIST, GO, VERSION,
# BUILT, MAINTAINER and MOD_ONIONS in the environment, and nfpm in DIST/work.
set -eu
umask 022

ARCH=$1
case $ARCH in
mips_*) set -- GOARCH=mips GOMIPS=softfloat ;;
mipsel_*) set -- GOARCH=mipsle GOMIPS=softfloat ;;
arm_cortex-a*neon* | arm_cortex-a*vfpv[34]*) set -- GOARCH=arm GOARM=7 ;;
aarch64_*) set -- GOARCH=arm64 ;;
x86_64) set -- GOARCH=amd64 ;;
*) echo "no package is made for $ARCH: see deploy/openwrt/build.sh" >&2 && exit 1 ;;
esac
if ! [ -r "$MOD_ONIONS" ]; then
	echo "there is no $MOD_ONIONS, which Prosody needs to reach onions, and which OpenWrt does not have:" >&2
	echo "install prosody-modules (make servers), or say where it is: MOD_ONIONS=FILE" >&2
	exit 1
fi
PATH=$(dirname "$GO"):$PATH # sudo may not have it there
here=deploy/openwrt files=deploy/openwrt/tunic/files work=$DIST/work/$ARCH root=$DIST/work/$ARCH/root
rm -rf "$work" && mkdir -p "$root"

put() { # MODE FILE PATH
	mkdir -p "$root/$(dirname "$3")"
	cp "$2" "$root/$3"
	chmod "$1" "$root/$3"
}
env GOOS=linux CGO_ENABLED=0 "$@" "$GO" build -trimpath -buildvcs=false \
	-ldflags "-s -w -X main.version=$VERSION -X main.built=$BUILT" -o "$work/tunic" ./cmd/tunic
put 0755 "$work/tunic" usr/bin/tunic
put 0600 $files/tunic.config etc/config/tunic
put 0755 $files/tunic.init etc/init.d/tunic
put 0755 $files/tunic-lockdown.init etc/init.d/tunic-lockdown
put 0755 $files/tunic.defaults etc/uci-defaults/50-tunic
put 0644 systemd/tunic.sysctl etc/sysctl.d/50-tunic.conf
put 0644 $files/tunic.keep lib/upgrade/keep.d/tunic
put 0755 $files/users.sh usr/lib/tunic/users.sh
put 0644 $files/dnsmasq.sh usr/lib/tunic/dnsmasq.sh
put 0644 "$MOD_ONIONS" usr/lib/prosody/modules/mod_onions/mod_onions.lua
find "$root" -exec touch -h -d "@$BUILT" {} +

# v1.2.3 is 1.2.3-r1, what is committed after it is newer (apk-package(5), opkg).
case $VERSION in
v[0-9]*-*-g*)
	after=${VERSION#*-}
	PACKAGE_VERSION=${VERSION%%-*}_p${after%%-*}
	PACKAGE_VERSION=${PACKAGE_VERSION#v}-r1
	;;
v[0-9]*) PACKAGE_VERSION=${VERSION#v} PACKAGE_VERSION=${PACKAGE_VERSION%%-*}-r1 ;;
*) PACKAGE_VERSION=0_git$(date -u -d "@$BUILT" +%Y%m%d%H%M%S)-r1 ;;
esac
export ARCH PACKAGE_VERSION MAINTAINER
cp $here/postinst $here/prerm $here/nfpm.yaml "$work/"
touch -d "@$BUILT" "$work/postinst" "$work/prerm"
for kind in ipk apk; do
	package=tunic_${PACKAGE_VERSION}_$ARCH.$kind
	(cd "$work" && SOURCE_DATE_EPOCH=$BUILT ../nfpm package --config nfpm.yaml --packager $kind --target "../../$package" >/dev/null)
	echo "$DIST/$package"
done
