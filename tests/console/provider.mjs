// An OpenID Connect provider for tests (oidc-provider, which the OpenID Foundation certified), and
// the end of TLS before the console, as the edge is in a cluster.
//
//   provider.mjs PROVIDER-PORT CONSOLE-PORT PORT-BEHIND KEY CERTIFICATE
//
// Whoever gives a name is that person. Keys are made at each start. It says "ready" when it answers.
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import Provider from "oidc-provider";

const [port, front, behind, key, cert] = process.argv.slice(2);
const tls = { key: readFileSync(key), cert: readFileSync(cert) };
const issuer = `https://localhost:${port}`;
const console_ = `https://console.localhost:${front}`;
// Groups by person; everybody else has none.
const groups = {
  anna: ["shop-managers"],
  boris: ["viewers"],
  clara: ["admins"],
  dora: ["release-managers"],
  evil: ["system:masters"],
};
const signing = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "console",
      client_secret: "a secret of tests",
      redirect_uris: [`${console_}/login/callback`],
      post_logout_redirect_uris: [`${console_}/logged-out`],
    },
  ],
  jwks: { keys: [{ ...signing, kid: `started-${process.pid}`, alg: "ES256", use: "sig" }] },
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  cookies: { keys: ["of tests"] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], groups: ["groups"] },
  features: {
    rpInitiatedLogout: {
      logoutSource(context, form) {
        const button = '<input type="hidden" name="logout" value="yes"><button>Log out here</button></form>';
        context.body = form.replace("</form>", button);
      },
    },
  },
  // In the ID token, as the API server wants them.
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
const accounts = https.createServer(tls, provider.callback());

const edge = https.createServer(tls, (request, response) => {
  const from = request.socket.remoteAddress;
  const headers = { ...request.headers, "x-forwarded-for": from, "x-forwarded-proto": "https" };
  const options = { port: behind, method: request.method, path: request.url, headers, host: "127.0.0.1" };
  const passed = http.request(options, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  });
  passed.on("error", () => response.writeHead(502).end("the console is away\n"));
  request.pipe(passed);
});

await Promise.all([
  new Promise((done) => accounts.listen(port, done)),
  new Promise((done) => edge.listen(front, done)),
]);
console.log("ready");
