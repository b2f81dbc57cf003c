// workerd: does what a request asks for. Its clock stands still meanwhile, so whoever asks measures.
import { casesOver } from "./cases.mjs";

let cases;

export default {
  async fetch(request, { KEYRING_KEY, BUNDLE, KEYS }) {
    const { searchParams } = new URL(request.url);
    cases ??= await casesOver({ keyringKey: KEYRING_KEY, bundle: new Uint8Array(BUNDLE), keys: new Uint8Array(KEYS) });
    await cases[searchParams.get("case")](Number(searchParams.get("count")));
    return new Response("done");
  },
};
