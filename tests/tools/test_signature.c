// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_signature.c - Signatures of kernels: good ones, and missing, bad, foreign, weak, expired and truncated ones, each refused in one line.
 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/signature.h"
#include "lib/util.h"
#include "tools_test.h"

static char dir[] = "/tmp/test_signature.XXXXXX";
static char file[64], sig[64], trust[64];
static uint8_t data[10000];

struct signer {
	EVP_PKEY *key;
	X509 *cert;
};

/* By itself, or by `by`; `usage`: an extended key usage, or NULL. Valid from now for `seconds`. */
static struct signer make_signer(const char *name, struct signer *by, const char *usage, long seconds, EVP_PKEY *key)
{
	struct signer s = { key ? key : EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *n = X509_get_subject_name(s.cert);
	X509_EXTENSION *e;

	X509_set_version(s.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(s.cert), by ? 2 : 1);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(s.cert, by ? X509_get_subject_name(by->cert) : n);
	X509_gmtime_adj(X509_getm_notBefore(s.cert), -7200);
	X509_gmtime_adj(X509_getm_notAfter(s.cert), seconds);
	X509_set_pubkey(s.cert, s.key);
	if (!by) {
		e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
		X509_add_ext(s.cert, e, -1);
		X509_EXTENSION_free(e);
	}
	if (usage) {
		e = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, usage);
		X509_add_ext(s.cert, e, -1);
		X509_EXTENSION_free(e);
	}
	X509_sign(s.cert, by ? by->key : s.key, EVP_sha256());
	return s;
}

static void free_signer(struct signer *s)
{
	X509_free(s->cert);
	EVP_PKEY_free(s->key);
}

static void put_file(const char *path, const void *p, size_t size)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(p, 1, size, f), size);
	fclose(f);
}

static void set_trust(const struct signer *s)
{
	FILE *f = fopen(trust, "w");

	PEM_write_X509(f, s->cert);
	fclose(f);
}

static void sign_with(const struct signer *s, const EVP_MD *md, unsigned int flags)
{
	BIO *in = BIO_new_mem_buf(data, sizeof(data)), *out = BIO_new_file(sig, "w");
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_BINARY | CMS_DETACHED | CMS_PARTIAL | flags);

	CU_ASSERT_PTR_NOT_NULL(CMS_add1_signer(cms, s->cert, s->key, md, CMS_BINARY | flags));
	CU_ASSERT_EQUAL(CMS_final(cms, in, NULL, CMS_BINARY | CMS_DETACHED | flags), 1);
	i2d_CMS_bio(out, cms);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	BIO_free(out);
}

static void sign(const struct signer *s)
{
	sign_with(s, EVP_sha256(), CMS_NOATTR);
}

static void accepted(void)
{
	struct hv_error err = { "" };

	CU_ASSERT_EQUAL(signature_check(trust, file, data, sizeof(data), &err), 0);
	if (err.text[0])
		printf("refused: %s\n", err.text);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
}

static void refused(const char *word)
{
	struct hv_error err = { "" };

	CU_ASSERT_EQUAL(signature_check(trust, file, data, sizeof(data), &err), -EACCES);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, word));
	CU_ASSERT_PTR_NOT_NULL(strchr(err.text, ':'));
	CU_ASSERT_PTR_NULL(strchr(err.text, '\n'));
	if (!strstr(err.text, word))
		printf("\"%s\" has no \"%s\"\n", err.text, word);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
}

static struct signer ca, leaf;

static void good_ones_are_accepted(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/kernel", dir);
	snprintf(sig, sizeof(sig), "%s/kernel.p7s", dir);
	snprintf(trust, sizeof(trust), "%s/trust.pem", dir);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i * 7;
	ca = make_signer("authority", NULL, NULL, 3600, NULL);
	leaf = make_signer("signer", &ca, "codeSigning", 3600, NULL);

	/* Who is trusted signs himself; vouches for the signer; or is a signer whose authority is unknown. */
	set_trust(&ca);
	sign(&ca);
	accepted();
	sign(&leaf);
	accepted();
	set_trust(&leaf);
	accepted();
	sign_with(&leaf, EVP_sha512(), 0);
	accepted();
}

static void missing_and_unreadable_ones_are_refused(void)
{
	set_trust(&ca);
	unlink(sig);
	refused("is not signed");
	put_file(sig, "", 0);
	refused("no CMS signature");
	put_file(sig, "-----BEGIN CMS-----\n", 20);
	refused("no CMS signature");
	sign(&leaf);
	put_file(trust, "", 0);
	refused("has no certificate");
	unlink(trust);
	refused("cannot read the trusted certificate");
}

static void other_bytes_are_refused(void)
{
	set_trust(&ca);
	for (unsigned int flags = 0; flags <= CMS_NOATTR; flags += CMS_NOATTR) {
		sign_with(&leaf, EVP_sha256(), flags);
		accepted();
		for (size_t i = 0; i < sizeof(data); i += 1111) {
			data[i] ^= 1;
			refused("do not belong together");
			data[i] ^= 1;
		}
	}
}

static void foreign_signers_are_refused(void)
{
	struct signer twin = make_signer("authority", NULL, NULL, 3600, NULL);
	struct signer other = make_signer("signer", &twin, "codeSigning", 3600, NULL);
	struct signer web = make_signer("web server", &ca, "serverAuth", 3600, NULL);
	struct signer old = make_signer("old", &ca, NULL, -3600, NULL);
	struct signer second = make_signer("second hand", &leaf, NULL, 3600, NULL);
	struct signer weak = make_signer("weak", &ca, NULL, 3600, EVP_RSA_gen(1024));

	set_trust(&ca);
	sign(&twin);
	refused("is not trusted");
	sign(&other);
	refused("is not trusted");
	sign(&web);
	refused("not for signing code");
	sign(&old);
	refused("expired");
	/* Of a signer that is no authority. */
	sign(&second);
	refused("is not trusted");
	sign(&weak);
	refused("too weak");
	sign_with(&leaf, EVP_sha1(), CMS_NOATTR);
	refused("weaker than SHA-256");
	sign_with(&leaf, EVP_sha256(), CMS_NOATTR | CMS_NOCERTS);
	refused("-nocerts");
	sign(&leaf);
	accepted();
	free_signer(&twin);
	free_signer(&other);
	free_signer(&web);
	free_signer(&old);
	free_signer(&second);
	free_signer(&weak);
}

/* Cut anywhere, or with a bit flipped: never accepted by chance. */
static void damaged_ones_are_refused(void)
{
	static uint8_t good[4096], bad[4096];
	struct hv_error err;
	size_t size;
	FILE *f;

	set_trust(&ca);
	sign_with(&leaf, EVP_sha256(), CMS_NOATTR);
	f = fopen(sig, "r");
	size = fread(good, 1, sizeof(good), f);
	fclose(f);
	CU_ASSERT_TRUE(size > 300 && size < sizeof(good));
	for (size_t cut = 0; cut < size; cut += 13) {
		put_file(sig, good, cut);
		refused("cut short");
	}
	srandom(3);
	for (int i = 0; i < 300; i++) {
		size_t at = random() % size;

		memcpy(bad, good, size);
		bad[at] ^= 1 << random() % 8;
		put_file(sig, bad, size);
		err.text[0] = 0;
		/* Some bits mean nothing: a version, an absent parameter. The key must be right for all. */
		if (signature_check(trust, file, data, sizeof(data), &err))
			CU_ASSERT_TRUE(strlen(err.text) > 20);
		data[5] ^= 1;
		CU_ASSERT_EQUAL(signature_check(trust, file, data, sizeof(data), &err), -EACCES);
		data[5] ^= 1;
	}
}

/* A CMS structure that is well formed and signed by nobody. */
static void nobody_is_no_signer(void)
{
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_BINARY | CMS_DETACHED | CMS_PARTIAL);
	BIO *out = BIO_new_file(sig, "w");

	CU_ASSERT_EQUAL(i2d_CMS_bio(out, cms), 1);
	CMS_ContentInfo_free(cms);
	BIO_free(out);
	set_trust(&ca);
	refused("do not belong together");
	unlink(sig);
	unlink(trust);
	rmdir(dir);
	free_signer(&leaf);
	free_signer(&ca);
}

TESTS("signature", TEST(good_ones_are_accepted), TEST(missing_and_unreadable_ones_are_refused), TEST(other_bytes_are_refused),
      TEST(foreign_signers_are_refused), TEST(damaged_ones_are_refused), TEST(nobody_is_no_signer))
