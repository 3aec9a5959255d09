/* Stores the browser's time zone in a cookie for the admin; see backoffice_app/zones.py. */
"use strict";
{
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone) {
        const secure = location.protocol === "https:" ? "; Secure" : "";
        document.cookie = `staff_zone=${zone}; Path=/admin/; SameSite=Strict${secure}`;
    }
}
