// SPDX-License-Identifier: GPL-2.0-only
/*
 * signature.c - checks detached CMS signatures (RFC 5652, DER) of kernels and initramfs.
 *
 * To be accepted, every signature in the file must be of exactly these bytes, with
 * SHA-256 or stronger, by a certificate that leads to one of the trusted ones and is
 * valid today; if the certificate says what it is for, it has to be for signing code.
 * Revocation lists are not read: to revoke, trust another certificate.
 *
 * A file of its own: libcrypto is 4 MB, so only programs that check link it.
 *
 * Trust: the trusted certificates' file. File and signature may be anything; libcrypto
 * parses the signature.
 */
#include <errno.h>
#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "signature.h"

#define SUFFIX		".p7s"
#define DIGEST_MIN	32		/* bytes */
#define LEVEL		2		/* of libcrypto, for certificates: RSA with 2048 bits, and the like */

static int fail(struct hv_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -EACCES;
}

/* All certificates of the file, as anchors; NULL with *err. */
static X509_STORE *load_trust(const char *path, struct hv_error *err)
{
	X509_STORE *store = X509_STORE_new();
	BIO *in = BIO_new_file(path, "r");
	X509_VERIFY_PARAM *param;
	int nr = 0;
	X509 *c;

	if (!in)
		fail(err, "cannot read the trusted certificate %s: %s", path, strerror(errno));
	while (in && store && (c = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		nr += X509_STORE_add_cert(store, c);
		X509_free(c);
	}
	BIO_free(in);
	if (in && !nr)
		fail(err, "%s has no certificate: it needs one in PEM, the signer's or its authority's", path);
	if (!nr) {
		X509_STORE_free(store);
		return NULL;
	}
	param = X509_STORE_get0_param(store);
	/* Any trusted certificate ends the chain, not only one that signed itself. */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	/* What the signer's certificate is for is checked below: CMS is for mail by default. */
	X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
	X509_VERIFY_PARAM_set_auth_level(param, LEVEL);
	return store;
}

static CMS_ContentInfo *load_signature(const char *path, struct hv_error *err)
{
	char name[PATH_MAX];
	CMS_ContentInfo *cms;
	BIO *in;

	if (snprintf(name, sizeof(name), "%s" SUFFIX, path) >= (int)sizeof(name)) {
		fail(err, "the name of the signature of %s is too long", path);
		return NULL;
	}
	in = BIO_new_file(name, "rb");
	if (!in) {
		if (errno == ENOENT)
			fail(err, "%s is not signed: there is no %s; sign it, or start it without a trusted certificate", path, name);
		else
			fail(err, "cannot read the signature %s: %s", name, strerror(errno));
		return NULL;
	}
	cms = d2i_CMS_bio(in, NULL);
	BIO_free(in);
	if (!cms)
		fail(err, "%s is no CMS signature in DER, or is cut short: sign the file again", name);
	return cms;
}

/* The digests are strong, and the signers' certificates are for this. */
static int check_signers(CMS_ContentInfo *cms, const char *path, struct hv_error *err)
{
	STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(cms);
	int nr = sk_CMS_SignerInfo_num(infos);

	for (int i = 0; i < nr; i++) {
		const EVP_MD *md;
		X509_ALGOR *alg;
		X509 *cert;

		CMS_SignerInfo_get0_algs(sk_CMS_SignerInfo_value(infos, i), NULL, &cert, &alg, NULL);
		md = EVP_get_digestbyobj(alg->algorithm);
		if (!md || EVP_MD_get_size(md) < DIGEST_MIN)
			return fail(err, "the digest in %s" SUFFIX " is weaker than SHA-256: sign again with -md sha256", path);
		/* Without the extension, both are all ones. */
		if (!(X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE) || !(X509_get_extended_key_usage(cert) & XKU_CODE_SIGN))
			return fail(err, "the certificate that signed %s is not for signing code: sign with another", path);
	}
	return 0;
}

static int verdict(const char *path, const char *trust, struct hv_error *err)
{
	const char *data = "";
	int flags = 0;
	unsigned long e = ERR_peek_last_error_all(NULL, NULL, NULL, &data, &flags);

	switch (ERR_GET_LIB(e) == ERR_LIB_CMS ? ERR_GET_REASON(e) : 0) {
	case CMS_R_CERTIFICATE_VERIFY_ERROR:
		/* "Verify error: certificate has expired" */
		data = flags & ERR_TXT_STRING && strchr(data, ':') ? strchr(data, ':') + 2 : "its certificate is not valid";
		return fail(err, "%s" SUFFIX ": the signer is not trusted by %s: %s: sign it with a trusted key", path, trust, data);
	case CMS_R_SIGNER_CERTIFICATE_NOT_FOUND:
		return fail(err, "%s" SUFFIX ": the signer's certificate is not in it: sign without -nocerts", path);
	default:
		return fail(err, "%s and its signature do not belong together: it was changed, or is damaged; copy both again, or sign it again",
			    path);
	}
}

int signature_check(const char *trust, const char *path, const void *data, size_t size, struct hv_error *err)
{
	CMS_ContentInfo *cms = NULL;
	X509_STORE *store;
	BIO *in = NULL;
	int rc = -EACCES;

	/* Not its configuration file, which could load code. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (size > INT_MAX)
		return fail(err, "%s has %zu MiB, and 2047 can be signed: make it smaller", path, size >> 20);
	store = load_trust(trust, err);
	if (store)
		cms = load_signature(path, err);
	if (cms) {
		ERR_clear_error();
		in = BIO_new_mem_buf(data, size);
		if (in && CMS_verify(cms, NULL, store, in, NULL, CMS_BINARY) == 1)
			rc = check_signers(cms, path, err);
		else
			rc = verdict(path, trust, err);
	}
	ERR_clear_error();
	BIO_free(in);
	CMS_ContentInfo_free(cms);
	X509_STORE_free(store);
	return rc;
}
