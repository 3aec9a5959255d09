const api = process.env.MARIA_SERVER ?? "http://localhost:8000";

/** The API is on the page's own host. Every path of it ends with a slash. */
export default {
  skipTrailingSlashRedirect: true,
  rewrites: async () => [{ source: "/api/v1/:path*/", destination: `${api}/api/v1/:path*/` }],
};
