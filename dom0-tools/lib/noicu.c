// SPDX-License-Identifier: GPL-2.0-only
/*
 * noicu.c - instead of ICU, 30 MB of tables that a static libxml2 asks for.
 *
 * libxml2 knows UTF-8, UTF-16 and ISO-8859-1 by itself; for any other encoding
 * it opens a converter here, which fails, so such a file is refused with
 * "unsupported encoding". Nothing else of ICU is used.
 */
#include <unicode/ucnv.h>

UConverter *ucnv_open(const char *name, UErrorCode *err)
{
	(void)name;
	*err = U_UNSUPPORTED_ERROR;
	return NULL;
}

void ucnv_close(UConverter *c)
{
	(void)c;
}

void ucnv_convertEx(UConverter *to, UConverter *from, char **out, const char *out_end, const char **in, const char *in_end,
		    UChar *start, UChar **source, UChar **target, const UChar *limit, UBool reset, UBool flush, UErrorCode *err)
{
	(void)to, (void)from, (void)out, (void)out_end, (void)in, (void)in_end, (void)start, (void)source, (void)target;
	(void)limit, (void)reset, (void)flush;
	*err = U_UNSUPPORTED_ERROR;
}

void ucnv_setToUCallBack(UConverter *c, UConverterToUCallback action, const void *ctx, UConverterToUCallback *old,
			 const void **old_ctx, UErrorCode *err)
{
	(void)c, (void)action, (void)ctx, (void)old, (void)old_ctx;
	*err = U_UNSUPPORTED_ERROR;
}

void ucnv_setFromUCallBack(UConverter *c, UConverterFromUCallback action, const void *ctx, UConverterFromUCallback *old,
			   const void **old_ctx, UErrorCode *err)
{
	(void)c, (void)action, (void)ctx, (void)old, (void)old_ctx;
	*err = U_UNSUPPORTED_ERROR;
}

void UCNV_TO_U_CALLBACK_STOP(const void *ctx, UConverterToUnicodeArgs *args, const char *units, int32_t len,
			     UConverterCallbackReason reason, UErrorCode *err)
{
	(void)ctx, (void)args, (void)units, (void)len, (void)reason;
	*err = U_UNSUPPORTED_ERROR;
}

void UCNV_FROM_U_CALLBACK_STOP(const void *ctx, UConverterFromUnicodeArgs *args, const UChar *units, int32_t len, UChar32 c,
			       UConverterCallbackReason reason, UErrorCode *err)
{
	(void)ctx, (void)args, (void)units, (void)len, (void)c, (void)reason;
	*err = U_UNSUPPORTED_ERROR;
}
