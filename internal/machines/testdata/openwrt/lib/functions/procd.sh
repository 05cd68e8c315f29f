# shellcheck shell=dash
# A stand-in for procd: each instance is kept by a process of its own. One that is to
# run as it runs is not started again; one that no longer is wanted is ended.

procd_service() { # NAME FUNCTION ARG...
	PROCD_SERVICE=$1 PROCD_WANTED=' '
	shift
	"$@"
	PROCD_RESULT=$?
	for procd_file in /tmp/procd/"$PROCD_SERVICE".*.pid; do
		[ -e "$procd_file" ] || continue
		case $PROCD_WANTED in *" $procd_file "*) ;; *) procd_end "$procd_file" ;; esac
	done
	return $PROCD_RESULT
}

procd_open_instance() {
	PROCD_FILE=/tmp/procd/$PROCD_SERVICE.$1
	PROCD_DELAY=5
	: >"$PROCD_FILE.new"
}

procd_set_param() {
	case $1 in
	command) shift && printf '%s\n' "$@" >"$PROCD_FILE.new" ;;
	respawn) PROCD_DELAY=$3 ;;
	esac
}

procd_add_reload_trigger() { return 0; }

procd_close_instance() {
	PROCD_WANTED="$PROCD_WANTED$PROCD_FILE.pid "
	if [ -e "$PROCD_FILE.pid" ] && kill -0 "$(cat "$PROCD_FILE.pid")" && cmp -s "$PROCD_FILE.new" "$PROCD_FILE.is"; then
		return
	fi
	[ ! -e "$PROCD_FILE.pid" ] || procd_end "$PROCD_FILE.pid"
	mv "$PROCD_FILE.new" "$PROCD_FILE.is"
	setsid /lib/functions/procd-keep "$PROCD_FILE" "$PROCD_DELAY" </dev/null >>/tmp/log/"$PROCD_SERVICE" 2>&1 &
	echo $! >"$PROCD_FILE.pid"
}

procd_kill() { # SERVICE
	for procd_file in /tmp/procd/"$1".*.pid; do
		[ ! -e "$procd_file" ] || procd_end "$procd_file"
	done
}

procd_end() { # FILE
	local pid n=0
	pid=$(cat "$1")
	kill -TERM "$pid"
	while kill -0 "$pid" && [ $n -lt 300 ]; do
		usleep 100000
		n=$((n + 1))
	done 2>/dev/null
	rm -f "$1"
}
