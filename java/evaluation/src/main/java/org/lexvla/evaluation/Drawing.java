package org.lexvla.evaluation;

import java.awt.Color;

/** What charts are drawn on: shapes and words in pixels, y downwards. */
interface Drawing {
    /** Where the given x stands in a text. */
    enum Anchor {
        START,
        MIDDLE,
        END
    }

    void line(double x0, double y0, double x1, double y1, Color colour);

    void polyline(double[] x, double[] y, Color colour);

    void disc(double x, double y, double radius, Color colour);

    void rectangle(double x, double y, double width, double height, Color colour);

    /** Level text on its base line. */
    void text(double x, double y, Anchor anchor, double size, Color colour, String text);

    /** Text that reads upwards, its base line at x. */
    void upright(double x, double y, Anchor anchor, double size, Color colour, String text);
}
