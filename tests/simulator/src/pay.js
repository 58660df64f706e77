// Counts the page's deadline down. The time left comes from the server and is counted by a clock that only goes
// forward, so a phone whose own clock is wrong shows it right.
const deadline = document.getElementById("deadline");
const clock = document.getElementById("clock");
const leftAtStart = Number(deadline.dataset.leftMs);
const start = performance.now();

function tick() {
  const left = Math.max(0, leftAtStart - (performance.now() - start));
  const seconds = Math.ceil(left / 1000);
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  clock.textContent = hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  deadline.classList.toggle("hurry", left > 0 && left < 60000);
  deadline.classList.toggle("running", left > 0);
  deadline.classList.toggle("over", left === 0);
  if (left > 0) setTimeout(tick, (left % 1000) + 10);
}
tick();
// Hidden until it runs: without this script a number that stands still would be a lie.
document.getElementById("countdown").hidden = false;
