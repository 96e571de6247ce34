package org.lexvla.server;

import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.PreEncodedHttpField;
import org.eclipse.jetty.server.Request;

/**
 * Keeps other web pages out. A browser on the machine of a person can reach this server, and so can every page that it shows:
 *
 * <ul>
 *   <li>by a name of the page's own that points here (DNS rebinding): the {@code Host} must be an address, {@code localhost}, or
 *       a name that the owner has given;
 *   <li>across origins: a request must come from our page, as {@code Origin} and {@code Sec-Fetch-Site} tell. Nothing here allows
 *       another origin to read an answer.
 * </ul>
 */
final class Guard {
    /** In every answer: the page runs what is on this server and nothing else, and is not shown inside another. */
    static final HttpField[] HEADERS = {
        new PreEncodedHttpField(
                "Content-Security-Policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
                        + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
        new PreEncodedHttpField("X-Content-Type-Options", "nosniff"),
        new PreEncodedHttpField("Referrer-Policy", "no-referrer"),
        new PreEncodedHttpField("Cross-Origin-Resource-Policy", "same-origin"),
        new PreEncodedHttpField("Cross-Origin-Opener-Policy", "same-origin"),
    };

    /** A name or address, and perhaps a port. */
    private static final Pattern HOST = Pattern.compile("([^:\\[\\]/@\\s]+|\\[[^\\]]+\\])(?::[0-9]{1,5})?");

    private static final Pattern ADDRESS = Pattern.compile("[0-9.]+|\\[[0-9a-f:.%]+\\]");

    private final Set<String> names;

    /**
     * @param names by which the server may be called, besides localhost and addresses
     */
    Guard(Set<String> names) {
        this.names = names.stream().map(name -> name.toLowerCase(Locale.ROOT)).collect(Collectors.toSet());
    }

    /**
     * @throws Refusal if the request does not come from our page or a person
     */
    void require(Request request) {
        HttpFields headers = request.getHeaders();
        String host = headers.get(HttpHeader.HOST);
        if (host == null || !isOurs(host)) {
            throw new Refusal(421, "this server is not called so: start it with --allow-host to give it another name");
        }
        String origin = headers.get(HttpHeader.ORIGIN);
        if (origin != null && !origin.equals("http://" + host) && !origin.equals("https://" + host)) {
            throw foreign();
        }
        String site = headers.get("Sec-Fetch-Site");
        boolean visit = "navigate".equals(headers.get("Sec-Fetch-Mode"))
                && request.getMethod().equals("GET");
        if (site != null && !site.equals("same-origin") && !site.equals("none") && !visit) {
            throw foreign();
        }
    }

    private static Refusal foreign() {
        return new Refusal(403, "another web page asks: only the page of this server may");
    }

    private boolean isOurs(String header) {
        Matcher parts = HOST.matcher(header.toLowerCase(Locale.ROOT));
        if (!parts.matches()) {
            return false;
        }
        String host = parts.group(1);
        return host.equals("localhost")
                || names.contains(host)
                || ADDRESS.matcher(host).matches();
    }
}
