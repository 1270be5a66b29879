// The OpenID Connect provider of the demo (oidc-provider, which the OpenID Foundation certified): who
// gives a name is that person, whatever the password. Never for anybody but a demo.
//
//   node accounts.mjs HOST PORT ISSUER CONSOLE KEY CERTIFICATE
//
// It listens at HOST:PORT with this key and certificate. ISSUER is how browsers reach it, CONSOLE the
// address of the console. Keys are made at each start. It says "ready" when it answers.
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";
import Provider from "oidc-provider";

const [host, port, issuer, console_, key, cert] = process.argv.slice(2);
// Groups by person; everybody else has none.
const groups = { anna: ["admins"], boris: ["viewers"] };
const signing = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "longshore-console",
      client_secret: "of the demo",
      redirect_uris: [`${console_}/login/callback`],
      post_logout_redirect_uris: [`${console_}/logged-out`],
    },
  ],
  jwks: { keys: [{ ...signing, kid: `started-${process.pid}`, alg: "ES256", use: "sig" }] },
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  cookies: { keys: ["of the demo"] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], groups: ["groups"] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: groups[id] ?? [] }) }),
  // Nobody is asked whether the console may know the name.
  async loadExistingGrant(context) {
    const { client, session } = context.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope("openid groups");
    await grant.save();
    return grant;
  },
});
provider.on("server_error", (_, error) => console.error(error));
const tls = { key: readFileSync(key), cert: readFileSync(cert) };
https.createServer(tls, provider.callback()).listen(port, host, () => console.log("ready"));
