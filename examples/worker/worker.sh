#!/bin/sh
# A worker of Sendoff in shell: one frame a line on descriptor 3, both ways.
read -r hello <&3
echo "{\"type\":\"ready\",\"v\":1,\"pid\":$$,\"lang\":\"sh\"}" >&3
while read -r frame <&3; do
	case $frame in
	'{"type":"task",'*)
		id=${frame#*\"id\":\"}
		id=${id%%\"*}
		echo "carrying out $id"
		echo "{\"type\":\"done\",\"id\":\"$id\",\"outcome\":\"ok\",\"result\":\"done by sh\"}" >&3
		;;
	'{"type":"stop"'*) exit 0 ;;
	esac
done
