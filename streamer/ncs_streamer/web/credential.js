/** The credential, the chosen stream and the login form; kept for this tab only. */

const PLACE = 'ncs';

const form = document.getElementById('login');
const line = document.getElementById('login-message');

const kept = {};
try {
  Object.assign(kept, JSON.parse(sessionStorage.getItem(PLACE)));
} catch {
  // A browser that keeps nothing is no reason to stop: it is asked for after a reload.
}

/** Return what was kept under a name, if anything. */
export const recall = (name) => kept[name];

/** Keep a value; undefined forgets it. */
export function remember(name, value) {
  kept[name] = value;
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(kept));
  } catch {
    // As above.
  }
}

/** Take `#key=...&stream=...` out of the address bar. */
export function takeFragment() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  for (const name of ['key', 'stream']) {
    if (fragment.get(name)) remember(name, fragment.get(name));
  }
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
}

/** Show the form, with a reason; `hideForm` hides it. */
export function showForm(reason) {
  line.textContent = reason;
  form.hidden = false;
  form.elements[form.elements.username.value ? 'password' : 'username'].focus();
}

export function hideForm() {
  form.reset();
  form.hidden = true;
}

/** Call `done` with the token whenever somebody has logged in. */
export function onLogin(done) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    line.textContent = '';
    try {
      done(await logIn());
    } catch (error) {
      showForm(error.message);
      form.elements.password.select();
    }
  });
}

async function logIn() {
  let response;
  try {
    response = await fetch(new URL('auth/login', document.baseURI), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(Object.fromEntries(new FormData(form))),
    });
  } catch {
    throw new Error('The server cannot be reached.');
  }
  const wait = response.headers.get('Retry-After') ?? 'a few';
  if (response.status === 401) throw new Error('The user name or the password is wrong.');
  if (response.status === 429) throw new Error(`Too many attempts. Try again in ${wait} s.`);
  if (!response.ok) throw new Error(`The server cannot log anybody in now (${response.status}).`);
  return (await response.json()).access_token;
}
