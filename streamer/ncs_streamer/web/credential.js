/** The credential, the chosen stream and the login form; kept for this tab only. */

const form = document.getElementById('login');
const line = document.getElementById('login-message');

/** What was chosen, or null; a browser that keeps nothing is no reason to stop. */
export function recall(name) {
  try {
    return sessionStorage.getItem(`ncs.${name}`);
  } catch {
    return null;
  }
}

/** Keep a value; null forgets it. */
export function remember(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(`ncs.${name}`);
    else sessionStorage.setItem(`ncs.${name}`, value);
  } catch {
    // It is asked for again after a reload.
  }
}

/** Take `#key=...&stream=...` out of the address bar; return whether there was any. */
export function takeFragment() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const names = ['key', 'stream'].filter((name) => fragment.get(name));
  for (const name of names) remember(name, fragment.get(name));
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  return names.length > 0;
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
    const { username, password } = Object.fromEntries(new FormData(form));
    line.textContent = '';
    try {
      done(await logIn(username, password));
    } catch (error) {
      showForm(error.message);
      form.elements.password.select();
    }
  });
}

async function logIn(username, password) {
  let response;
  try {
    response = await fetch(new URL('auth/login', document.baseURI), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password }),
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
