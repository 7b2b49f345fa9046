#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# proves: A guest starts from a bzImage as from its vmlinux, with --trust only if kernel and initramfs are signed, and what is cut or changed is refused in one line.
# seconds: 60
. tests/lib/case.sh
. tests/lib/guests.sh

kernel=${VMI_CACHE:-$HOME/.cache/vmi}/linux/vmlinux
files=$tmp/images
mkdir "$files"
guest_initramfs "$files/initrd"
tests/lib/bzimage.py gzip "$kernel" "$files/bzImage"
size=$(stat -c %s "$files/bzImage")
head -c $((size / 2)) "$files/bzImage" >"$files/cut"

# Signed as docs/signing.md says.
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=kernels' -addext extendedKeyUsage=codeSigning \
	-keyout "$tmp/key.pem" -out "$files/cert.pem" 2>/dev/null || error "openssl cannot make a key"
for f in bzImage initrd; do
	openssl cms -sign -binary -noattr -md sha256 -outform DER -signer "$files/cert.pem" -inkey "$tmp/key.pem" \
		-in "$files/$f" -out "$files/$f.p7s" || error "openssl cannot sign"
done
{ head -c $((size - 1)) "$files/bzImage"; printf x; } >"$files/changed"
cp "$files/bzImage.p7s" "$files/changed.p7s"
cp "$files/initrd" "$files/unsigned"

cat >"$tmp/inside" <<'EOS'
cd /images
run() { vmi-boot --output /tmp/out "$@" -- console=hvc0 quiet panic=-1 clocksource=tsc tsc=reliable nopti rdinit=/sbin/poweroff 2>&1; echo "status $?"; }
run --kernel bzImage --initrd initrd
run --kernel bzImage --initrd initrd --trust cert.pem
run --kernel cut
run --kernel changed --initrd initrd --trust cert.pem
run --kernel bzImage --initrd unsigned --trust cert.pem
EOS
status 0 $LAB --mem 1024 --hv-append dom0_mem=512M --console "$tmp/console" --add "$files:/images" --add "$tmp/inside:/inside" -- sh /inside
cat >"$tmp/want" <<'EOS'
status 0
status 0
vmi-boot: cut cannot be a domain's kernel: its packed vmlinux ends behind the file: it is truncated or damaged, build or copy it again
status 1
vmi-boot: changed and its signature do not belong together: it was changed, or is damaged; copy both again, or sign it again
status 1
vmi-boot: unsigned is not signed: there is no unsigned.p7s; sign it, or start it without a trusted certificate
status 1
EOS
diff "$tmp/want" "$tmp/out" || fail "other results"
no_complaints "$tmp/console"
pass
