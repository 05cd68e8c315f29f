# shellcheck shell=dash
# For the service's script: the router's own dnsmasq asks tunic's resolver, and
# nobody else. /etc/config/dhcp stays as it is: the lines are in the directory that
# dnsmasq reads beside its configuration, which is in memory.

dnsmasq_lines() {
	cat <<-'END'
		# By tunic's service: no other server is asked.
		no-resolv
		server=127.0.0.1#9354
		# Names of onions, of friends and of the house lead to addresses of the house.
		rebind-domain-ok=/onion/home.arpa/lan/
	END
}

# dnsmasq_each runs a command with the directory of each instance.
dnsmasq_each() {
	config_load dhcp
	config_foreach dnsmasq_one dnsmasq "$1"
}

dnsmasq_one() { # SECTION COMMAND
	local dir
	config_get dir "$1" confdir "/tmp/dnsmasq.$1.d"
	"$2" "${dir%%,*}/tunic.conf"
}

dnsmasq_write() {
	if [ "$(cat "$1" 2>/dev/null)" != "$(dnsmasq_lines)" ]; then
		mkdir -p "${1%/*}"
		dnsmasq_lines >"$1"
		dnsmasq_changed=1
	fi
}

dnsmasq_remove() {
	if [ -e "$1" ]; then
		rm -f "$1"
		dnsmasq_changed=1
	fi
}

dnsmasq_hand_over() {
	dnsmasq_changed=
	dnsmasq_each dnsmasq_write
	dnsmasq_again
}

dnsmasq_give_back() {
	dnsmasq_changed=
	dnsmasq_each dnsmasq_remove
	dnsmasq_again
}

dnsmasq_again() {
	if [ -n "$dnsmasq_changed" ] && [ -x /etc/init.d/dnsmasq ]; then
		/etc/init.d/dnsmasq restart
	fi
}
