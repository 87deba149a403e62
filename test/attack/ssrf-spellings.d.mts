export declare const SSRF_SPELLINGS: readonly { readonly name: string; readonly url: string }[];
