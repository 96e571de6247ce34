package org.lexvla.spark;

/** Pictures whose files are in the column. */
final class PictureBytes extends Pictures {
    private static final long serialVersionUID = 1;

    @Override
    byte[] file(Object value) {
        return (byte[]) value;
    }

    @Override
    String name(Object value) {
        return "of " + ((byte[]) value).length + " bytes";
    }
}
