// A certified identity provider with a login page of its own (oidc-provider): it says its address on the first line,
// takes any name and password, and ends with its input. The redirect address of its one client is the first argument.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const [redirect] = process.argv.slice(2);
const server = createServer().listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(url, {
    clients: [{
      client_id: 'desk', client_secret: 'a-secret-of-the-tests', redirect_uris: [redirect], grant_types: ['authorization_code'],
      response_types: ['code'], id_token_signed_response_alg: 'RS256',
    }],
    claims: { openid: ['sub', 'roles', 'student'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['of the tests'] },
    pkce: { required: () => true },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, roles: ['student'], student: id }) }),
  });
  server.on('request', provider.callback());
  console.log(url);
});
process.stdin.on('end', () => process.exit(0)).resume();
