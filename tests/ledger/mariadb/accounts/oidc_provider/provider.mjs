// An OpenID provider for the tests: node provider.mjs PORT CALLBACK [HOST KEY CERTIFICATE]. It prints "ready" and ends
// with its stdin. With a key and a certificate it speaks HTTPS.
//
// A user's name at its login form is the subject. `unverified-…` has an e-mail address that is not verified, and
// `nameless-…` has none.
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import Provider from "oidc-provider";

const [port, callback, host = "127.0.0.1", key, certificate] = process.argv.slice(2);
const issuer = `${key ? "https" : "http"}://${host}:${port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "cloison",
      client_secret: "secret-of-the-tests",
      redirect_uris: [callback],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username"] },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      preferred_username: id.replace(/^(unverified|nameless)-/, ""),
      ...(id.startsWith("nameless-")
        ? {}
        : { email: `${id.replace(/^unverified-/, "")}@example.org`, email_verified: !id.startsWith("unverified-") }),
    }),
  }),
  // The tests are not asked for consent: a grant with everything is there.
  loadExistingGrant: async (context) => {
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId,
      accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});

const server = key
  ? https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) }, provider.callback())
  : http.createServer(provider.callback());
server.listen(Number(port), host, () => console.log("ready"));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
