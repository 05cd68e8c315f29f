#!/bin/sh
# Makes the users that tunic's processes run as, where they are missing: there is
# no useradd here. A power cut leaves the old file or the new one. The directory
# given, "" for /, holds etc/passwd and etc/group.
set -eu
root=${1:-}
passwd=$root/etc/passwd
group=$root/etc/group

has() { # FILE NAME
	grep -q "^$2:" "$1"
}

# The first number from 65536, where OpenWrt's own packages count too, that is
# neither a user's nor a group's.
free() {
	cut -d: -f3 "$passwd" "$group" | sort -n | awk '
		BEGIN { n = 65536 }
		$1 == n { n++ }
		END { print n }'
}

append() { # FILE LINE
	cp -p "$1" "$1.tunic"
	# A last line that has no end would swallow ours.
	[ -z "$(tail -c 1 "$1.tunic")" ] || echo >>"$1.tunic"
	echo "$2" >>"$1.tunic"
	sync
	mv "$1.tunic" "$1"
}

for name in tunic tunic-tor tunic-mail tunic-xmpp tunic-irc tunic-i2p tunic-service; do
	if ! has "$group" "$name"; then
		append "$group" "$name:x:$(free):"
	fi
	if ! has "$passwd" "$name"; then
		gid=$(grep "^$name:" "$group" | cut -d: -f3)
		# Its group's number, unless a user has that.
		uid=$gid
		if cut -d: -f3 "$passwd" | grep -qx "$uid"; then
			uid=$(free)
		fi
		# No shadow is needed: "*" is no password's hash.
		append "$passwd" "$name:*:$uid:$gid:$name:/var:/bin/false"
	fi
done
