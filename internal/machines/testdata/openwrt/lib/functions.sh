# shellcheck shell=dash
# A stand-in for what our scripts use of OpenWrt's: files of UCI without an escaped quote.

config_load() {
	CONFIG_SECTIONS=''
	eval "$(awk -v q="'" '
		function bare(s) { gsub(/["\x27]/, "", s); return s }
		$1 == "config" {
			n++
			type = bare($2); section = NF > 2 ? bare($3) : "cfg" n
			printf "CONFIG_SECTIONS=\"$CONFIG_SECTIONS %s\"; CONFIG_%s_TYPE=%s\n", section, section, type
		}
		$1 == "option" {
			value = $0; sub(/^[ \t]*option[ \t]+[^ \t]+[ \t]+/, "", value)
			printf "CONFIG_%s_%s=%s%s%s\n", section, bare($2), q, bare(value), q
		}' "/etc/config/$1")"
}

config_get() { # VARIABLE SECTION OPTION DEFAULT
	eval "$1=\${CONFIG_$2_$3:-\${4:-}}"
}

config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1 | on | true | yes | enabled) $1=1 ;; *) $1=0 ;; esac"
}

config_foreach() { # FUNCTION TYPE ARG...
	local each_function="$1" each_type="$2" each_section type
	shift 2
	for each_section in $CONFIG_SECTIONS; do
		eval "type=\$CONFIG_${each_section}_TYPE"
		[ "$type" != "$each_type" ] || "$each_function" "$each_section" "$@"
	done
}
