/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * signature.h - may this kernel or initramfs be used? (signature.c, with libcrypto)
 */
#ifndef LIB_SIGNATURE_H
#define LIB_SIGNATURE_H

#include "hv.h"

/*
 * Check `data`, the file `path`, against its signature `path`.p7s; `trust` is a file with
 * certificates (PEM), one of which has to be the signer's or to vouch for it. 0, or
 * -EACCES with *err. For struct hv_config's `verify`.
 */
int signature_check(const char *trust, const char *path, const void *data, size_t size, struct hv_error *err);

#endif
