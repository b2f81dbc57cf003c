// A Worker that does nothing, and, run by Node, a program that does.
export default {
  fetch() {
    return new Response("hello");
  },
};
