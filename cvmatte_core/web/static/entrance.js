// The cookie is there: on to the page, without the token in its address.

location.replace(location.pathname + location.hash);
