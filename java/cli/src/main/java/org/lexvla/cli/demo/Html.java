package org.lexvla.cli.demo;

import java.awt.image.BufferedImage;
import java.util.Base64;

/** Small pieces of a page. */
public final class Html {
    private Html() {}

    /** Text that cannot be taken for markup. */
    public static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("'", "&#39;");
    }

    /** A picture inside the page. */
    public static String image(BufferedImage picture, String alternative) {
        int width = picture.getWidth();
        int height = picture.getHeight();
        byte[] png = PngEncoder.rgb(picture.getRGB(0, 0, width, height, null, 0, width), width, height);
        return "<img alt=\"" + escape(alternative) + "\" src=\"data:image/png;base64,"
                + Base64.getEncoder().encodeToString(png) + "\">";
    }
}
