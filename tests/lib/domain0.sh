# SPDX-License-Identifier: GPL-2.0-only
# domain0.sh - tests whose script runs in domain 0, beside vmid; source it after case.sh.

# guest_xml NAME MiB [INITRD] <DEVICES: $tmp/NAME.xml. Without INITRD a user land whose console has a shell.
guest_xml() {
	cat >"$tmp/$1.xml" <<-END
		<domain type='vmi'>
		  <name>$1</name>
		  <memory unit='MiB'>$2</memory>
		  <vcpu>1</vcpu>
		  <os>
		    <type>pv</type>
		    <kernel>/srv/vmlinux</kernel>
		    <initrd>${3:-/srv/shell.cpio.gz}</initrd>
		    <cmdline>console=hvc0 hostname=$1 panic=1 quiet</cmdline>
		  </os>
		  <devices>
		$(cat)
		  </devices>
		</domain>
	END
}

# in_domain0 [OPTION OF THE LAB]...: $tmp/inside runs there; $tmp/*.xml are in /, the guests' kernel and initramfs in /srv.
in_domain0() {
	local got=0 file add=()

	for file in "$tmp"/*.xml; do
		[ ! -e "$file" ] || add+=(--add "$file")
	done
	[ ! -e "$tmp/guest.cpio" ] || add+=(--add "$tmp/guest.cpio:/srv/guest.cpio")
	$LAB --mem 1024 --hv-append dom0_mem=512M --add "${VMI_CACHE:-$HOME/.cache/vmi}/linux/vmlinux:/srv/vmlinux" \
		--add "$BUILD/guest.cpio.gz:/srv/shell.cpio.gz" --add tests/lib/inside.sh --add "$tmp/inside" "${add[@]}" \
		--console "$tmp/console" "$@" -- sh /inside >"$tmp/out" 2>&1 || got=$?
	cat "$tmp/out"
	[ $got = 0 ] || fail "$(grep -a '^FAIL' "$tmp/out" || echo "status $got")"
	no_complaints "$tmp/console"
}
