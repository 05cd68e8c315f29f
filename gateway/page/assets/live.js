// What is live on the pages of whoever is logged in. A page that nobody sees asks for
// nothing, and one whose log-in is over is loaded again, which leads to the log-in.
"use strict";

document.addEventListener("htmx:beforeRequest", (e) => {
  if (document.hidden && e.detail.requestConfig.verb === "get") e.preventDefault();
});

document.addEventListener("htmx:responseError", (e) => {
  if (e.detail.xhr.status === 403) location.reload();
});
