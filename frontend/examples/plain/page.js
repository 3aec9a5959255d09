const uploads = document.querySelector("maria-uploads");

if (navigator.language.startsWith("ar")) {
  const { arabic } = await import("./maria/ar.js");
  uploads.language = arabic;
  document.documentElement.lang = arabic.lang;
  document.documentElement.dir = arabic.dir;
  document.title = document.querySelector("h1").textContent = "مستنداتك";
}
